// include/bpf/*.h as they are. SKEP_CC_INCLUDE is their directory (CMakeLists.txt here).
        .macro header name, file
        .global skep_header_\name, skep_header_\name\()_end
        .hidden skep_header_\name, skep_header_\name\()_end
skep_header_\name:
        .incbin "\file"
skep_header_\name\()_end:
        .byte 0
        .endm

        .section .rodata
        header helpers, SKEP_CC_INCLUDE/bpf/bpf_helpers.h
        header tracing, SKEP_CC_INCLUDE/bpf/bpf_tracing.h
        header core_read, SKEP_CC_INCLUDE/bpf/bpf_core_read.h
        header endian, SKEP_CC_INCLUDE/bpf/bpf_endian.h
        header usdt, SKEP_CC_INCLUDE/bpf/usdt.bpf.h
        .section .note.GNU-stack,"",@progbits
