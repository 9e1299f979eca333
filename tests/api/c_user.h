#pragma once

#ifdef __cplusplus
extern "C" {
#endif
int c_skeleton_opens_loads_runs(void);
int c_objects_are_walked_by_name_and_order(void);
#ifdef __cplusplus
}
#endif
