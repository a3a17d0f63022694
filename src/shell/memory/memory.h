/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h - a process that runs for months keeps no more memory resident than it uses. */
#pragma once

/* Before any thread: few heaps for them all, and large blocks go back when they are freed. */
void memory_begin(void);

/* Once the start is over: gives back what only it needed, free pieces of the heap and pages of
 * programs and libraries. The kernel brings the latter back from their files as they are used
 * again. Other threads may run meanwhile. */
void memory_give_back(void);

/* Gives back the pages of the calling thread's stack below what it uses now: what deep calls that
 * are over have touched. memory_give_back() does so for its own thread. */
void memory_give_back_stack(void);
