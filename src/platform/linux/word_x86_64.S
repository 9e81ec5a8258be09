/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a thread (word.h). */
    .section .tbss, "awT", @nobits
    .globl isle__words
    .hidden isle__words
    .type isle__words, @object
    .p2align 3
isle__words:
    .zero 16
    .size isle__words, 16

    .section .note.GNU-stack, "", @progbits
