#!/bin/busybox sh
# init of the test guest: mounts what eBPF needs, runs /vm/command with its output on ttyS1,
# writes its exit status to ttyS2 and ends the machine.
/bin/busybox mkdir -p /bin /etc /proc /sys /dev /tmp /run /root
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=dumb SERIN_ROOT=/serin SERIN_GUEST=1
mount -t devtmpfs dev /dev 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
[ -e /dev/fd ] || { ln -s /proc/self/fd /dev/fd; ln -s /proc/self/fd/1 /dev/stdout; ln -s /proc/self/fd/2 /dev/stderr; }
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
ip link set lo up
hostname serin-vm
ulimit -l unlimited
stty -F /dev/ttyS1 raw -echo 2>/dev/null
stty -F /dev/ttyS2 raw -echo 2>/dev/null
/bin/sh /vm/command </dev/null >/dev/ttyS1 2>&1
status=$?
# Waits until the output has left the port.
stty -F /dev/ttyS1 >/dev/null 2>&1
echo $status > /dev/ttyS2
sync
reboot -f
