/* For a Linux kernel as a process (small_kernel.py) on a processor with AMX.
 *
 * Debian's one keeps 2,696 bytes of a program's registers; such a processor has 11,008. The machine's kernel gives as
 * many as asked for but takes only the whole, so the small one panics at its first program ("ptrace set fp regs failed,
 * errno = 14"). Loaded before it, this puts what it kept into the rest that the program has. Kernels from 6.13 on ask
 * for the size themselves.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char whole[65536];

static long ask(long request, long pid, void *address, void *data)
{
    return syscall(SYS_ptrace, request, pid, address, data);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list given;
    va_start(given, request);
    pid_t pid = va_arg(given, pid_t);
    void *address = va_arg(given, void *);
    void *data = va_arg(given, void *);
    va_end(given);

    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        long word; /* the system call writes it, the C library's function returns it */
        if (ask(request, pid, address, &word) == -1)
            return -1;
        errno = 0;
        return word;
    }
    if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE) {
        struct iovec kept = *(struct iovec *)data, all = {whole, sizeof whole};
        if (ask(PTRACE_GETREGSET, pid, address, &all) == -1)
            return -1;
        if (kept.iov_len < all.iov_len) {
            memcpy(whole, kept.iov_base, kept.iov_len);
            return ask(request, pid, address, &all);
        }
    }
    return ask(request, pid, address, data);
}
