/* SPDX-License-Identifier: Apache-2.0 */
/* Catching for x86-64 and the System V calling convention: what setjmp saves lies on the stack
 * instead, where isle__catch_run stands until it returns, and the buffer has its place. */
    .text

/* bool isle__catch_enter(void **ret_place, void (*fn)(void *), void *argument) */
    .globl isle__catch_enter
    .hidden isle__catch_enter
    .type isle__catch_enter, @function
    .p2align 4
isle__catch_enter:
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
    movq %rsp, (%rdi)
    movq %rdx, %rdi
    callq *%rsi
    /* Returned: what a function must leave as it found it is as it was. */
    addq $56, %rsp
    .cfi_remember_state
    .cfi_adjust_cfa_offset -56
    xorl %eax, %eax
    ret
    .cfi_restore_state
catch_landed:
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
    movl $1, %eax
    ret
    .cfi_endproc
    .size isle__catch_enter, . - isle__catch_enter

/* void isle__catch_land(void *place) */
    .globl isle__catch_land
    .hidden isle__catch_land
    .type isle__catch_land, @function
    .p2align 4
isle__catch_land:
    .cfi_startproc
    movq %rdi, %rsp
    jmp catch_landed
    .cfi_endproc
    .size isle__catch_land, . - isle__catch_land

    .section .note.GNU-stack, "", @progbits
