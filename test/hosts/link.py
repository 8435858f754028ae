"""A slow and lossy link between two network interfaces, frame by frame: for kernels without `tc netem`. Needs root; touches only the interfaces it is given.

  link.py plain IFACE                        frames of IFACE are whole: checksums and segments are not left to a network card that is not there
  link.py join IFACE IFACE DELAY_MS LOSS     frames of either go out at the other, DELAY_MS later; LOSS of them (0 to 1) are dropped
"""
import ctypes
import fcntl
import heapq
import random
import select
import socket
import sys
import time

SIOCETHTOOL = 0x8946
# ETHTOOL_STXCSUM, ETHTOOL_SSG, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO of linux/ethtool.h
OFFLOADS = (0x17, 0x19, 0x1F, 0x24, 0x2C)
FRAME_BYTES_MAX = 65_536
FRAMES_MAX = 20_000
SO_RCVBUFFORCE = 33


class Value(ctypes.Structure):
    _fields_ = [("command", ctypes.c_uint32), ("data", ctypes.c_uint32)]


class Request(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 16), ("data", ctypes.c_void_p), ("rest", ctypes.c_char * 16)]


def plain(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in OFFLOADS:
            value = Value(command, 0)
            request = Request(name.encode(), ctypes.addressof(value), b"")
            try:
                fcntl.ioctl(control, SIOCETHTOOL, request)
            except OSError:
                pass  # this kernel has no such thing to turn off


def opened(name):
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    frames.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 * 1_048_576)
    frames.bind((name, 0))
    frames.setblocking(False)
    return frames


def received(frames):
    while True:
        try:
            frame, (_, _, kind, _, _) = frames.recvfrom(FRAME_BYTES_MAX)
        except BlockingIOError:
            return
        if kind != 4:  # PACKET_OUTGOING: what we sent ourselves
            yield frame


def join(one, other, delay_ms, loss):
    plain(one)
    plain(other)
    ends = {one: opened(one), other: opened(other)}
    across = {ends[one]: ends[other], ends[other]: ends[one]}
    waiting, count = [], 0
    print("joined", flush=True)
    while True:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select(list(across), [], [], left)
        for frames in ready:
            for frame in received(frames):
                if len(waiting) < FRAMES_MAX and random.random() >= loss:
                    count += 1
                    heapq.heappush(waiting, (time.monotonic() + delay_ms / 1000, count, frame, across[frames]))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, frame, out = heapq.heappop(waiting)
            try:
                out.send(frame)
            except OSError:
                pass  # a full queue drops frames, as real links do


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        plain(sys.argv[2])
    else:
        join(sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
