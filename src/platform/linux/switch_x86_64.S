/* SPDX-License-Identifier: Apache-2.0 */
/* The switch between stacks for x86-64 and the System V calling convention.
 *
 * A suspended flow's stack ends, from its saved place upwards, in
 *     mxcsr and x87 control word (8 bytes), r15, r14, r13, r12, rbx, rbp, return address.
 * What else there is belongs to the caller of a function and is already saved by it. */
    .text

/* void isle__switch_swap(void **save_sp, void *to_sp) */
    .globl isle__switch_swap
    .hidden isle__switch_swap
    .type isle__switch_swap, @function
    .p2align 4
isle__switch_swap:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    /* Both stacks have the same layout here, so the unwinding rules hold on. */
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size isle__switch_swap, . - isle__switch_swap

/* Where the first swap to a new stack returns to: rbx is the function, r12 its argument. It has no
 * caller, which tells unwinders to stop. */
    .type switch_begin, @function
    .p2align 4
switch_begin:
    .cfi_startproc
    .cfi_undefined %rip
    movq %r12, %rdi
    xorl %ebp, %ebp
    callq *%rbx
    ud2
    .cfi_endproc
    .size switch_begin, . - switch_begin

/* void *isle__switch_make(void *low, size_t size, void (*begin)(void *), void *argument)
 * low + size is 16-byte aligned. A new flow has the control words of the flow that makes it. */
    .globl isle__switch_make
    .hidden isle__switch_make
    .type isle__switch_make, @function
    .p2align 4
isle__switch_make:
    .cfi_startproc
    leaq -80(%rdi, %rsi), %rax
    stmxcsr (%rax)
    fnstcw 4(%rax)
    movq $0, 8(%rax)
    movq $0, 16(%rax)
    movq $0, 24(%rax)
    movq %rcx, 32(%rax)
    movq %rdx, 40(%rax)
    movq $0, 48(%rax)
    leaq switch_begin(%rip), %rcx
    movq %rcx, 56(%rax)
    /* The return leaves the stack at 64(%rax), a multiple of 16, as a call needs it. */
    movq $0, 64(%rax)
    movq $0, 72(%rax)
    ret
    .cfi_endproc
    .size isle__switch_make, . - isle__switch_make

    .section .note.GNU-stack, "", @progbits
