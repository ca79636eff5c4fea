#!/usr/bin/env python3
"""The clients of bench/hostile.sh; standard library only.

hostile.py honest PORT SECONDS [PASSWORD]            an honest client: prints what its operations took
hostile.py attack NAME PORT HTTP_PORT COUNT SECONDS  plays one attack with COUNT connections, until killed or SECONDS are over
hostile.py names                                     lists the attacks, with the connections that each needs at most

An attack says "ready" when all its connections have done what they are there for.
"""
import errno
import os
import select
import socket
import sys
import time

KIB = 1024
MIB = 1024 * KIB


def command(*arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        argument = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


# ---------------------------------------------------------------- the honest client

class Honest:
    """One request at a time, as most clients have it. Mostly small values, every tenth one of 200 KB."""

    def __init__(self, port, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if password:
            self.ask(command("AUTH", password))

    def ask(self, request):
        self.socket.sendall(request)
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        if line[:1] == b"$" and line != b"$-1":
            length = int(line[1:]) + 2
            while len(self.buffer) < length:
                self.receive()
            value, self.buffer = self.buffer[:length - 2], self.buffer[length:]
            return value
        return line

    def receive(self):
        received = self.socket.recv(MIB)
        if not received:
            raise ConnectionError("the server closed an honest client's connection")
        self.buffer += received


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] * 1000 if values else 0


def honest(port, seconds, password=""):
    client = Honest(port, password)
    small, large = [], []
    refused = wrong = 0
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        is_large = number % 10 == 0
        key, value = b"honest:%d" % (number % 100), b"%d:" % number + b"h" * (200_000 if is_large else 100)
        began = time.monotonic()
        answer = client.ask(command("SET", key, value))
        took = time.monotonic() - began
        if answer == b"+OK":
            began = time.monotonic()
            read = client.ask(command("GET", key))
            took += time.monotonic() - began
            wrong += read not in (value, b"$-1", b"_")
        else:
            refused += 1
        (large if is_large else small).append(took)
        time.sleep(0.001)
    print(f"{len(small) + len(large)} {refused} {wrong} {percentile(small, .99):.1f} {percentile(large, .99):.1f} {max(small + large) * 1000:.0f}", flush=True)


# ---------------------------------------------------------------- the attacks

class Crowd:
    """Many connections that each send something, and read nothing unless told."""

    def __init__(self, port, count, password=""):
        self.port, self.count, self.password = port, count, password
        self.pending = {}

    def connect(self, receive_buffer=0):
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(("127.0.0.1", self.port))
        client.setblocking(False)
        return client

    def send_all(self, payload, seconds, receive_buffer=0):
        """Opens all connections, and sends each the payload as far as the server takes it within the time. payload: bytes, or a function of the connection's number."""
        end = time.monotonic() + seconds
        poll = select.epoll()
        for number in range(self.count):
            try:
                client = self.connect(receive_buffer)
            except OSError as failure:
                if failure.errno in (errno.EMFILE, errno.EADDRNOTAVAIL):
                    break
                continue
            data = memoryview(payload(number) if callable(payload) else payload)
            self.pending[client.fileno()] = [client, data]
            poll.register(client.fileno(), select.EPOLLOUT)
            if number % 64 == 0:
                self.pump(poll, 0)
        while time.monotonic() < end and any(len(data) for _, data in self.pending.values()):
            self.pump(poll, 0.2)
        return poll

    def pump(self, poll, timeout):
        for number, event in poll.poll(timeout, 256):
            client, data = self.pending[number]
            try:
                sent = client.send(data[:256 * KIB])
                self.pending[number][1] = data[sent:]
                if sent == len(data):
                    poll.modify(number, 0)
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(number)
                client.close()
                del self.pending[number]


def half_set(length, sent):
    return b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$%d\r\n" % length + b"x" * sent


def unfinished(total):
    """As many arguments of 100 bytes as make so many bytes, and more that are announced."""
    argument = b"$100\r\n" + b"a" * 100 + b"\r\n"
    return b"*100001\r\n$4\r\nMSET\r\n" + argument * (total // len(argument))


def prepare(port):
    """What attacks ask for: a full cache, long keys, values of 8 KB and 1 MB, and a large hash."""
    client = Honest(port, "")
    batch = []
    for number in range(100_000):
        batch.append(command("SET", b"fill:%07d" % number, b"f" * 700))
        if len(batch) == 1000:
            client.socket.sendall(b"".join(batch))
            for _ in batch:
                while b"\r\n" not in client.buffer:
                    client.receive()
                client.buffer = client.buffer.split(b"\r\n", 1)[1]
            batch = []
    for number in range(200):
        client.ask(command("SET", (b"long:%04d:" % number).ljust(4000, b"k"), b"v"))
    for number in range(8):
        client.ask(command("SET", b"mb:%d" % number, b"m" * 1_000_000))
        client.ask(command("SET", b"kb:%d" % number, b"k" * 8000))
    fields = []
    for number in range(900):
        fields += [b"field:%d" % number, b"h" * 1000]
    client.ask(command("HSET", b"hash", *fields[:900]))
    client.ask(command("HSET", b"hash", *fields[900:]))


def hold(crowd, poll, seconds):
    print("ready", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        crowd.pump(poll, 0.2)
        time.sleep(0.05)


def send_and_hold(payload, receive_buffer=0):
    def run(port, http, count, seconds):
        crowd = Crowd(port, count)
        hold(crowd, crowd.send_all(payload, seconds / 2, receive_buffer), seconds)
    return run


def over_http(payload):
    def run(port, http, count, seconds):
        crowd = Crowd(http, count)
        hold(crowd, crowd.send_all(payload, seconds / 2, 4096), seconds)
    return run


def again_and_again(payload):
    """Whoever is dropped or done comes again: connections are renewed as fast as one process can."""
    def run(port, http, count, seconds):
        print("ready", flush=True)
        end = time.monotonic() + seconds
        held = []
        while time.monotonic() < end:
            try:
                client = socket.create_connection(("127.0.0.1", port), timeout=1)
                client.settimeout(0.05)
                client.sendall(payload)
                held.append(client)
            except OSError:
                pass
            while len(held) > count:
                held.pop(0).close()
    return run


def trickle(head):
    """A byte a second from each."""
    def run(port, http, count, seconds):
        crowd = Crowd(port, count)
        crowd.send_all(head, seconds / 2)
        print("ready", flush=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            for client, _ in list(crowd.pending.values()):
                try:
                    client.send(b"x")
                except OSError:
                    pass
            time.sleep(max(0, 1 - (time.monotonic() - began)))
    return run


def rewritten(receive_buffer):
    """Readers of 1 MB values that do not read, while the values are written anew: what is dropped is still being read."""
    def run(port, http, count, seconds):
        writer = Honest(port, "")
        crowd = Crowd(port, count)
        poll = crowd.send_all(lambda number: command("GET", b"mb:%d" % (number % 8)) * 20, 1, receive_buffer)
        print("ready", flush=True)
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            number += 1
            writer.ask(command("SET", b"mb:%d" % (number % 8), b"m" * 1_000_000))
            writer.ask(command("GET", b"mb:%d" % (number % 8)))
            crowd.pump(poll, 0)
            time.sleep(0.02)
    return run


PUT = b"PUT /caches/default/keys/half%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
ATTACKS = {
    # name: (what it does, most connections, needs a password, run)
    "idle": ("10,000 connections that do nothing, to compare with", 10_000, False, send_and_hold(b"")),
    "announce": ("announce a SET of 4 MiB, send 3 bytes of it", 10_000, False, send_and_hold(half_set(4 * MIB, 3))),
    "announce-http": ("announce a PUT of 4 MiB, send 3 bytes of it", 10_000, False, over_http(lambda n: PUT % (n, 4 * MIB) + b"xyz")),
    "headers-http": ("send 15 KiB of headers and no end", 10_000, False, over_http(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"h" * 180) for i in range(80)))),
    "half-large": ("send a SET of 1 MB but for its last byte", 10_000, False, send_and_hold(half_set(MIB, MIB - 1))),
    "half-http": ("send a PUT of 1 MB but for its last byte", 10_000, False, over_http(lambda n: PUT % (n, MIB) + b"x" * (MIB - 1))),
    "half-small": ("send 0.9 MiB of an MSET of small arguments", 10_000, False, send_and_hold(unfinished(900 * KIB))),
    "half-12k": ("send 12 KB of a value of 13 KB", 10_000, False, send_and_hold(half_set(13_000, 12_000))),
    "again": ("send 100 KB of a value of 1 MB and come again, as fast as it goes", 1_000, False, again_and_again(half_set(MIB, 100_000))),
    "trickle": ("send 70 KB of a value of 1 MB, then a byte a second", 10_000, False, trickle(half_set(MIB, 70_000))),
    "strangers": ("before AUTH: announce and half-send what strangers may", 4_000, True, send_and_hold(b"*10\r\n" + (b"$8000\r\n" + b"s" * 8000 + b"\r\n") * 9)),
    "strangers-large": ("before AUTH: 15 KB of an argument of 16 KB", 4_000, True, send_and_hold(b"*2\r\n$4\r\nAUTH\r\n$16384\r\n" + b"s" * 15_000)),
    "quotes": ("send a long inline command with quotes, and stay", 10_000, False, send_and_hold(b'PING "' + b"q" * 60_000 + b'" x\r\n')),
    "names": ("names of 900 KB, then CLIENT LIST again and again, unread", 10_000, False, send_and_hold(command("CLIENT", "SETNAME", b"n" * 900_000) + b"CLIENT LIST\r\n" * 20, 4096)),
    "list": ("names of 256 bytes, then CLIENT LIST again and again, unread", 10_000, False, send_and_hold(command("CLIENT", "SETNAME", b"n" * 256) + b"CLIENT LIST\r\n" * 20, 4096)),
    "keys": ("KEYS *, unread", 10_000, False, send_and_hold(b"KEYS *\r\n" * 20, 4096)),
    "scan": ("SCAN 0 COUNT 10000, 200 times, unread", 10_000, False, send_and_hold(b"SCAN 0 COUNT 10000\r\n" * 200, 4096)),
    "get": ("GET of 8 KB, 2,000 times, unread", 10_000, False, send_and_hold(b"GET kb:1\r\n" * 2000, 4096)),
    "mget": ("MGET of 1,000 times the same 1 MB, unread", 10_000, False, send_and_hold(command("MGET", *[b"mb:1"] * 1000), 4096)),
    "hmget": ("HMGET of 10,000 times the same field, unread", 10_000, False, send_and_hold(command("HMGET", b"hash", *[b"field:1"] * 10_000), 4096)),
    "hgetall": ("HGETALL of 0.9 MB, 50 times, unread", 10_000, False, send_and_hold(b"HGETALL hash\r\n" * 50, 4096)),
    "glob": ("KEYS with a class of 300 KB over keys of 4 KB", 100, False, send_and_hold(command("KEYS", b"*[" + b"z" * 300_000 + b"]"))),
    "glob-1k": ("KEYS with the longest pattern that is taken, over keys of 4 KB", 100, False, send_and_hold(command("KEYS", b"*" + b"[k-z]" * 180 + b"!*") * 20, 4096)),
    "slow": ("300 readers of 1 MB values, unread, while the values are rewritten", 300, False, rewritten(4096)),
    "get-http": ("HTTP GET of 1 MB, unread", 10_000, False, over_http(b"GET /caches/default/keys/mb:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 4)),
    "many-http": ("HTTP get-many of 1,000 times 8 KB, unread", 10_000, False, over_http(
        lambda n, body=b'{"keys":[' + b",".join([b'"kb:1"'] * 1000) + b"]}": b"POST /caches/default/get-many HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))),
}


def main():
    match sys.argv[1:]:
        case ["names"]:
            for name, (_, most, needs_password, _) in ATTACKS.items():
                print(name, most, int(needs_password))
        case ["what", name]:
            print(ATTACKS[name][0])
        case ["prepare", port]:
            prepare(int(port))
        case ["honest", port, seconds, *password]:
            honest(int(port), float(seconds), *password)
        case ["attack", name, port, http, count, seconds]:
            os.nice(19)
            ATTACKS[name][3](int(port), int(http), int(count), float(seconds))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
