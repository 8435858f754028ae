#!/bin/sh
# A machine with systemd as its first process, made of this machine's own files: nothing that it writes, mounts or starts is seen outside.
#
#   systemd.sh hold BASE                       makes its disk below BASE and keeps it; says `ready`
#   systemd.sh boot BASE HOLDER NETNS GROUP    starts it: in cgroups named GROUP and the network NETNS, on the disk that process HOLDER keeps
#   systemd.sh first BASE TREE                 (inside, by boot) the first process; TREE is the project's folder, to be seen as it is
set -eu
self=$(readlink -f "$0")

# The cgroups that a process here is in: a folder each.
groups() {
  while IFS=: read -r _ names path; do
    point=/sys/fs/cgroup/${names#name=}
    [ -n "$names" ] || { [ -e /sys/fs/cgroup/cgroup.controllers ] && point=/sys/fs/cgroup || point=/sys/fs/cgroup/unified; }
    [ -d "$point" ] || continue
    [ -d "$point$path" ] && echo "$point${path%/}" || echo "$point"
  done < /proc/self/cgroup
}

case $1 in
hold)
  base=$2
  mount -t tmpfs -o mode=755 tmpfs "$base"
  mkdir "$base/upper" "$base/work" "$base/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
  cd "$base/root"
  # What this machine starts is not to be started there.
  rm -rf etc/systemd/system etc/init.d etc/rc?.d var/log/journal opt/gilliam etc/gilliam var/lib/gilliam
  mkdir -p etc/systemd/system var/log/journal
  : > etc/fstab
  for unit in getty.target systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service systemd-random-seed.service systemd-logind.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount; do
    ln -s /dev/null "etc/systemd/system/$unit"
  done
  echo ready
  exec sleep infinity
  ;;
boot)
  base=$2 holder=$3 netns=$4 group=$5 tree=$(dirname "$(dirname "$(dirname "$self")")")
  for at in $(groups); do
    mkdir -p "$at/$group"
    # Version 1 puts nobody on no processor.
    [ -e /sys/fs/cgroup/cgroup.controllers ] || [ ! -e "$at/cpuset.cpus" ] || for file in cpuset.cpus cpuset.mems; do cat "$at/$file" > "$at/$group/$file"; done
    echo $$ > "$at/$group/cgroup.procs"
  done
  exec nsenter --target "$holder" --mount "--net=/run/netns/$netns" unshare --pid --uts --ipc --mount --propagation private --cgroup --fork --kill-child \
    /bin/sh "$self" first "$base" "$tree"
  ;;
first)
  base=$2 tree=$3
  cd "$base/root"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs tmpfs tmp
  mount -t tmpfs -o mode=755 tmpfs dev
  for each in null zero full random urandom tty; do touch "dev/$each"; mount --bind "/dev/$each" "dev/$each"; done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mkdir -p "./$tree"
  mount --rbind "$tree" "./$tree"
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then mount -t cgroup2 cgroup2 sys/fs/cgroup; else
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    while IFS=: read -r _ names _; do
      at=sys/fs/cgroup/${names#name=}
      case $names in
      '') continue ;;
      name=*) mkdir "$at" && mount -t cgroup -o "none,$names" cgroup "$at" ;;
      *) mkdir "$at" && mount -t cgroup -o "$names" cgroup "$at" ;;
      esac
    done < /proc/self/cgroup
    # Else it would mount, and so occupy, controllers that nobody here uses.
    grep -wE "subsys_name|$(cut -d: -f2 /proc/self/cgroup | grep -v = | paste -sd'|')" /proc/cgroups > run/cgroups
    mount --bind run/cgroups proc/cgroups
  fi
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys
  mkdir -p old
  pivot_root . old
  umount -l old
  exec env -i container=gilliam-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 /lib/systemd/systemd --system --show-status=no --unit=multi-user.target
  ;;
esac
