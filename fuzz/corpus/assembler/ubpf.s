mov %r0, 1
ldxdw %r1, [%r2+4]
jeq %r1, 2, +1
lock fetch add32 [%r10-8], %r1
exit
