/* onlyuser: lets a daemon that separates privileges run where there is one user only.
 *
 * openntpd starts as root, gives its network process a chroot and a user of its own, and ends
 * when it cannot. A machine of the lab is one container with one user id, no capability and a
 * seccomp filter that refuses chroot(2) and setgroups(2): nothing is left to give up. Preloaded
 * into that daemon alone, this answers "you are root" and "done" to those calls. The daemon
 * itself is the distribution's. Nothing here is about time: that is libvclock.so's work.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <sys/types.h>
#include <unistd.h>

uid_t geteuid(void)
{
    return 0;
}

/* The process stays where it is, but must not look up relative paths where it was. */
int chroot(const char *path)
{
    return chdir(path);
}

int setgroups(size_t count, const gid_t *groups)
{
    (void)count;
    (void)groups;
    return 0;
}

int setresgid(gid_t real, gid_t effective, gid_t saved)
{
    (void)real;
    (void)effective;
    (void)saved;
    return 0;
}

int setresuid(uid_t real, uid_t effective, uid_t saved)
{
    (void)real;
    (void)effective;
    (void)saved;
    return 0;
}
