// The .BTF section of types.h, as the build made it.
        .section .rodata
        .balign 8
        .global skep_user_engine_btf_begin
        .hidden skep_user_engine_btf_begin
skep_user_engine_btf_begin:
        .incbin USER_ENGINE_BTF
        .global skep_user_engine_btf_end
        .hidden skep_user_engine_btf_end
skep_user_engine_btf_end:
        .byte 0
        .section .note.GNU-stack,"",@progbits
