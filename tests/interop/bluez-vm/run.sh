#!/bin/bash
# `esptb provision` by the real BlueZ on a real kernel, without an adapter: Debian's kernel in QEMU, whose
# hci_vhci has a controller of the air of a simulated device. By hand, for it takes 200 MB of packages:
#
#   apt-get install --no-install-recommends qemu-system-x86 busybox-static kmod cpio gcc dbus-daemon
#   tests/interop/bluez-vm/run.sh            MTU=48 has BlueZ make long writes; SECURITY=1
#
# What is downloaded and made goes to target/bluez-vm. Exit code 0: the device has joined.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
esptb=${ESPTB:-$root/target/debug/esptb}
work=$root/target/bluez-vm
mkdir -p "$work/packages" && cd "$work"

kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
version=${kernel#linux-image-}
for package in bluez "$kernel"; do
    [ -d "packages/$package" ] && continue
    (cd packages && apt-get download "$package" && dpkg-deb -x "${package}"_*.deb "$package")
done
bluez=packages/bluez modules=packages/$kernel/lib/modules/$version
/sbin/depmod -b "packages/$kernel" "$version"
gcc -O1 -static -o bridge "$here/bridge.c"

# The machine's files: what runs there, the libraries of it, and the modules in the order in which they load.
rm -rf fs
mkdir -p fs/{bin,modules,etc,tmp,usr/bin,usr/libexec/bluetooth,usr/share/dbus-1}
cp "$(command -v busybox)" fs/bin/busybox
cp "$here/init" bridge fs/
strip -g -o fs/esptb "$esptb"
programs="usr/libexec/bluetooth/bluetoothd usr/bin/bluetoothctl"
for program in $programs; do cp "$bluez/$program" "fs/$program"; done
cp "$(command -v dbus-daemon)" fs/usr/bin/
ldd fs/esptb fs/usr/bin/dbus-daemon fs/usr/libexec/bluetooth/bluetoothd fs/usr/bin/bluetoothctl |
    grep -o '/[^ :]*\.so[^ ]*' | sort -u | while read -r library; do
    mkdir -p "fs$(dirname "$library")" && cp -L "$library" "fs$library"
done
cp -r "$bluez"/etc/dbus-1 "$bluez"/etc/bluetooth fs/etc/
cp /usr/share/dbus-1/system.conf fs/usr/share/dbus-1/
sed -i "s/^#ExchangeMTU.*/ExchangeMTU = ${MTU:-517}/" fs/etc/bluetooth/main.conf
printf '%s\n' root:x:0:0::/tmp:/bin/sh messagebus:x:100:100::/:/bin/false laptop:x:1000:1000::/tmp:/bin/sh > fs/etc/passwd
printf '%s\n' root:x:0: messagebus:x:100: bluetooth:x:101:laptop laptop:x:1000: > fs/etc/group
order() { # a module after those that it needs
    for needed in $(grep "/$1.ko:" "$modules/modules.dep" | cut -d: -f2 | tr ' ' '\n' | tac) \
        "$(grep -o "^[^:]*/$1.ko" "$modules/modules.dep")"; do
        [ -f "fs/modules/$(basename "$needed")" ] && continue
        cp "$modules/$needed" fs/modules/ && basename "$needed" >> fs/modules.order
    done
}
for module in virtio_pci virtio_net algif_hash algif_skcipher cmac hci_vhci; do order "$module"; done

# The device, and its air.
[ -d desk/ca ] || (mkdir -p desk && cd desk && "$esptb" pki init && "$esptb" pki device SN-1)
cd desk
printf '{"broker":"mqtts://127.0.0.1:1","provisioning":{"security":%s,"pop":"abcd1234"}}' "${SECURITY:-2}" \
    > devices/SN-1/settings.json
"$esptb" image --spiffs devices/SN-1 --out flash.bin
"$esptb" simulate --flash flash.bin --headless --color never --wifi 'lab:correct horse' \
    --air 127.0.0.1:0 --for 5m > device.log 2>&1 &
device=$!
trap 'kill $device 2> /dev/null || true' EXIT
port=
while [ -z "$port" ]; do
    sleep 0.2
    kill -0 "$device"
    port=$(sed -n 's/.*tcp:127\.0\.0\.1:\([0-9]*\).*/\1/p' device.log)
done
cd ..
echo "$port" > fs/port
(cd fs && find . | cpio -o -H newc --quiet | gzip -1) > initrd.gz
timeout 300 qemu-system-x86_64 -m 768 -nographic -no-reboot -kernel "packages/$kernel/boot/vmlinuz-$version" \
    -initrd initrd.gz -append 'console=ttyS0 panic=-1 quiet' -netdev user,id=n -device virtio-net-pci,netdev=n \
    < /dev/null 2>&1 | tee machine.log
grep -q 'the device has joined "lab"' machine.log
