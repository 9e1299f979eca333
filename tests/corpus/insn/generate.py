#!/usr/bin/env python3
"""Writes alu_*.data and jump_*.data beside itself; Python's integers are the oracle."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
M64 = (1 << 64) - 1


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def truncated_div(a, b):
    quotient = abs(a) // abs(b)
    return -quotient if (a < 0) != (b < 0) else quotient


def sdiv(a, b, bits):
    a, b = signed(a, bits), signed(b, bits)
    return 0 if b == 0 else truncated_div(a, b)


def smod(a, b, bits):
    a, b = signed(a, bits), signed(b, bits)
    return a if b == 0 else a - truncated_div(a, b) * b


ALU = {
    "add": ("+=", lambda a, b, n: a + b),
    "sub": ("-=", lambda a, b, n: a - b),
    "mul": ("*=", lambda a, b, n: a * b),
    "div": ("/=", lambda a, b, n: 0 if b == 0 else a // b),
    "sdiv": ("s/=", sdiv),
    "mod": ("%=", lambda a, b, n: a if b == 0 else a % b),
    "smod": ("s%=", smod),
    "or": ("|=", lambda a, b, n: a | b),
    "and": ("&=", lambda a, b, n: a & b),
    "xor": ("^=", lambda a, b, n: a ^ b),
    "mov": ("=", lambda a, b, n: b),
    "lsh": ("<<=", lambda a, b, n: a << (b % n)),
    "rsh": (">>=", lambda a, b, n: a >> (b % n)),
    "arsh": ("s>>=", lambda a, b, n: signed(a, n) >> (b % n)),
}
JUMPS = {
    "jeq": ("==", lambda a, b, n: a == b),
    "jne": ("!=", lambda a, b, n: a != b),
    "jgt": (">", lambda a, b, n: a > b),
    "jge": (">=", lambda a, b, n: a >= b),
    "jlt": ("<", lambda a, b, n: a < b),
    "jle": ("<=", lambda a, b, n: a <= b),
    "jsgt": ("s>", lambda a, b, n: signed(a, n) > signed(b, n)),
    "jsge": ("s>=", lambda a, b, n: signed(a, n) >= signed(b, n)),
    "jslt": ("s<", lambda a, b, n: signed(a, n) < signed(b, n)),
    "jsle": ("s<=", lambda a, b, n: signed(a, n) <= signed(b, n)),
    "jset": ("&", lambda a, b, n: (a & b) != 0),
}
ARITHMETIC = [
    (0, 0), (0, 1), (1, 0), (7, 3), (7, -3), (-7, 3), (-7, -3), (1, -1), (-1, 1),
    (1 << 63, -1), (0xffffffff80000000, -1), (0x80000000, -1), (0x7fffffff, 1), (M64, M64),
    (0x123456789abcdef0, 0x76543210), (0xffffffff00000000, 2), (0x100000000, 3), (5, -0x80000000),
]
SHIFTS = [(1, 0), (1, 31), (1, 32), (1, 63), (1, 64), (1, -1), (M64, 1), (1 << 63, 63), (0x80000000, 31),
          (0xffffffff7fffffff, 33), (0x123456789abcdef0, 4), (0x123456789abcdef0, 36)]
# Values of the register operand that no imm can have.
WIDE = [(1, 1 << 32), (0x123456789abcdef0, 0xfedcba9876543210), (M64, 0x100000001)]
COMPARED = [(0, 0), (1, 2), (2, 1), (-1, 1), (1, -1), (-1, -1), (0x7fffffff, -0x80000000), (0x80000000, 0x7fffffff),
            (0xffffffff80000000, -0x80000000), (0x100000000, 0), (0x1ffffffff, -1), (1 << 63, 1)]


def cases(table, pairs_of, body):
    for name, (sign, function) in table.items():
        text = []
        for bits, letter in ((64, "r"), (32, "w")):
            mask = (1 << bits) - 1
            for form in ("imm", "reg"):
                pairs = pairs_of(name) + (WIDE if form == "reg" else [])
                for number, (a, b) in enumerate(pairs):
                    if form == "imm":
                        operand, shown, b64 = b, None, signed(b, 32) & M64
                        if b > 0x7fffffff or b < -0x80000000:
                            operand, b64 = signed(b, 32), signed(b, 32) & M64
                        operand = str(operand)
                    else:
                        operand, shown, b64 = letter + "3", b & M64, b & M64
                    text.append(f"-- case {name}{bits}_{form}_{number}\n-- asm")
                    text.append(f"r0 = {a & M64:#x} ll" if name not in JUMPS else f"r4 = {a & M64:#x} ll")
                    if shown is not None:
                        text.append(f"r3 = {shown:#x} ll")
                    text.append(body(function, sign, letter, operand, a & M64 & mask, b64 & mask, bits))
        prefix = "jump" if name in JUMPS else "alu"
        (HERE / f"{prefix}_{name}.data").write_text("# Written by generate.py.\n" + "\n".join(text) + "\n")


def alu_body(function, sign, letter, operand, a, b, bits):
    return f"{letter}0 {sign} {operand}\nexit\n-- result\n{function(a, b, bits) & ((1 << bits) - 1):#x}"


def jump_body(function, sign, letter, operand, a, b, bits):
    return (f"r0 = 1\nif {letter}4 {sign} {operand} goto taken\nr0 = 2\ntaken:\nexit\n-- result\n"
            f"{1 if function(a, b, bits) else 2:#x}")


cases(ALU, lambda name: SHIFTS if name in ("lsh", "rsh", "arsh") else ARITHMETIC, alu_body)
cases(JUMPS, lambda name: COMPARED, jump_body)
