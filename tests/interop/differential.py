#!/usr/bin/env python3
"""Sends the same mutated messages to rsplib's registrar and to ours, and compares what they answer. Run it in the lab:

    lab/uml-run 600 tests/interop/differential.py target/release/rserpool [--count N] [--seed N]

The messages are those of the captures in tests/captures, as the fuzz targets' seeds have them. Behind each one goes a question that
every registrar answers, so that it is known when all answers to the message have come. Ours has to survive all of them, and each
difference has to be one of those that differences.tsv explains: its fields are regular expressions, and the first row that fits
counts.
"""
import argparse
import collections
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CORPORA = HERE.parents[1] / "fuzz/corpus"
ASAP, ENRP = 11, 12
SCTP_SNDINFO = 2
ADDRESS = "10.10.0.1"
NAMES = {
    ASAP: ["?", "registration", "deregistration", "registration response", "deregistration response", "handle resolution",
           "handle resolution response", "endpoint keep-alive", "endpoint keep-alive ack", "endpoint unreachable", "server announce",
           "cookie", "cookie echo", "business card", "error"],
    ENRP: ["?", "presence", "handle table request", "handle table response", "handle update", "list request", "list response",
           "init takeover", "init takeover ack", "takeover server", "error"],
}


def captured():
    """The captures' ASAP and ENRP messages, each once."""
    corpora = {ASAP: CORPORA / "asap_decode", ENRP: CORPORA / "enrp_decode"}
    return [(protocol, path.read_bytes()) for protocol, corpus in corpora.items() for path in sorted(corpus.glob("seed-*"))]


def parameters(message, start):
    """The parameters from an offset on: where each begins and ends."""
    spans = []
    while start + 4 <= len(message):
        size = struct.unpack(">H", message[start + 2:start + 4])[0]
        if size < 4 or start + size > len(message):
            break
        spans.append((start, min(len(message), start + (size + 3 & ~3))))
        start = spans[-1][1]
    return spans


def with_length(message):
    return message[:2] + struct.pack(">H", len(message)) + message[4:]


# Where the parameters begin, by type.
FIXED = {ASAP: collections.defaultdict(lambda: 4, {7: 8}),
         ENRP: collections.defaultdict(lambda: 12, {4: 16, 7: 16, 8: 16, 9: 16})}
UNKNOWN = {"stop": 0x1234, "stop and report": 0x5234, "skip": 0x9234, "skip and report": 0xd234}


def mutations(dice):
    def flip(protocol, message):
        at = dice.randrange(4, len(message)) if len(message) > 4 else 1
        return message[:at] + bytes([message[at] ^ 1 << dice.randrange(8)]) + message[at + 1:]

    def spans(protocol, message):
        return parameters(message, FIXED[protocol][message[0]])

    def without(protocol, message):
        found = spans(protocol, message)
        if not found:
            return None
        start, end = dice.choice(found)
        return with_length(message[:start] + message[end:])

    def twice(protocol, message):
        found = spans(protocol, message)
        if not found:
            return None
        start, end = dice.choice(found)
        return with_length(message[:end] + message[start:end] + message[end:])

    def swapped(protocol, message):
        found = spans(protocol, message)
        if len(found) < 2:
            return None
        (a, b), (c, d) = found[0], found[1]
        return message[:a] + message[c:d] + message[a:b] + message[d:]

    def parameter_length(protocol, message):
        found = spans(protocol, message)
        if not found:
            return None
        start, _ = dice.choice(found)
        return message[:start + 2] + struct.pack(">H", dice.choice([0, 3, 5, 0xffff])) + message[start + 4:]

    made = {
        "unchanged": lambda protocol, message: message,
        "a bit changed": flip,
        "a message type that is not known": lambda protocol, message: bytes([0x7f]) + message[1:],
        "cut off": lambda protocol, message: message[:max(4, dice.randrange(len(message)))],
        "cut off, with the right length": lambda protocol, message: with_length(message[:max(4, dice.randrange(len(message)) & ~3)]),
        "a message length too great": lambda protocol, message: message[:2] + struct.pack(">H", len(message) + 8) + message[4:],
        "a message length too small": lambda protocol, message: message[:2] + struct.pack(">H", 5) + message[4:],
        "a parameter missing": without,
        "a parameter twice": twice,
        "two parameters exchanged": swapped,
        "a parameter length that is wrong": parameter_length,
        "octets of zero behind it": lambda protocol, message: with_length(message + bytes(8)),
    }
    for name, number in UNKNOWN.items():
        made[f"an unknown parameter: {name}"] = lambda protocol, message, number=number: with_length(
            message + bytes(-len(message) % 4) + struct.pack(">HHI", number, 8, 0xdeadbeef))
    return made


class Registrar:
    """One under test, and an association for each protocol."""

    def __init__(self, name, command, asap, enrp, ready, work):
        self.name, self.command, self.ports, self.ready = name, command, {ASAP: asap, ENRP: enrp}, ready
        self.log, self.sockets, self.deaths = pathlib.Path(work) / f"{name}.log", {}, 0
        # Pool handle parameters and identifiers of what may have been registered.
        self.elements = set()
        self.start()

    def start(self):
        self.child = subprocess.Popen(self.command, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        end = time.monotonic() + 150
        while self.ready not in self.log.read_text(errors="replace"):
            if self.child.poll() is not None or time.monotonic() > end:
                sys.exit(f"{self.name} does not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.1)

    def is_dead(self):
        return self.child.poll() is not None

    def connect(self, protocol, number):
        """For each ENRP message an association of its own, as of another registrar each time."""
        if protocol == ENRP:
            self.hang_up(protocol)
        if protocol not in self.sockets:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
            made.connect((ADDRESS, self.ports[protocol]))
            self.sockets[protocol] = made
            if protocol == ENRP:
                # A registrar of rsplib's speaks only with those that have introduced themselves, from their own port.
                self.send(protocol, introduction(number, made.getsockname()[1]))

    def send(self, protocol, message):
        info = struct.pack("=HHIIi", 0, 0, socket.htonl(protocol), 0, 0)
        self.sockets[protocol].sendmsg([message], [(socket.IPPROTO_SCTP, SCTP_SNDINFO, info)])

    def answers(self, protocol, message, number):
        """What it answers to a message: the types and error causes; "closed" if it ends the association."""
        found = self.answers_once(protocol, message, number)
        if found == ["closed"]:
            # An element of an earlier message may be gone by now, and the association with it.
            found = self.answers_once(protocol, message, number)
        return "; ".join(found) or "nothing"

    def answers_once(self, protocol, message, number):
        found, ready = [], False
        spans = parameters(message, 4)
        if protocol == ASAP and message[0] == 1 and len(spans) > 1:
            (start, end), (element, _) = spans[:2]
            self.elements.add((message[start:end], message[element + 4:element + 8]))
        try:
            self.connect(protocol, number)
            self.send(protocol, message)
            self.send(protocol, asap_question(number) if protocol == ASAP else enrp_question(number))
            while True:
                # Some answer before, some behind the answer to the question.
                self.sockets[protocol].settimeout(0.05 if ready else 3)
                try:
                    octets = self.sockets[protocol].recv(65536)
                except TimeoutError:
                    if not ready:
                        found.append("nothing more")
                        self.hang_up(protocol)
                    break
                if not octets:
                    raise ConnectionError
                is_answer = octets[0] == 6 and (protocol == ENRP or f"probe-{number}".encode() in octets)
                if is_answer and not ready:
                    ready = True
                elif protocol == ASAP and octets[0] == 7:
                    # An element that did not answer would be gone with its association.
                    for handle, element in self.elements:
                        if octets[8:].startswith(handle):
                            self.send(protocol, with_length(bytes([8, 0, 0, 0]) + handle + b"\x00\x0e\x00\x08" + element))
                # What it says by itself is no answer.
                elif not (protocol == ENRP and octets[0] in (1, 2, 4, 5, 7, 9)):
                    found.append(summary(protocol, octets))
        except (ConnectionError, OSError):
            found.append("closed")
            self.hang_up(protocol)
        return found

    def hang_up(self, protocol):
        if protocol in self.sockets:
            self.sockets.pop(protocol).close()


def introduction(number, port):
    transport = struct.pack(">HHHH", 4, 16, port, 0) + struct.pack(">HH", 1, 8) + socket.inet_aton(ADDRESS)
    information = struct.pack(">HHI", 0x0b, 8 + len(transport), OWN + number) + transport
    checksum = struct.pack(">HHHH", 0x0f, 6, 0xffff, 0)
    return with_length(struct.pack(">BBHII", 1, 0, 0, OWN + number, 0) + checksum + information)


OWN = 0x7e570000


def enrp_question(number):
    return struct.pack(">BBHII", 5, 0, 12, OWN + number, 0)


def asap_question(number):
    handle = f"probe-{number}".encode()
    return with_length(struct.pack(">BBHHH", 5, 0, 0, 9, 4 + len(handle)) + handle + bytes(-len(handle) % 4))


def summary(protocol, octets):
    name = NAMES[protocol][octets[0]] if octets[0] < len(NAMES[protocol]) else f"type {octets[0]}"
    flags = " (rejected)" if octets[0] in (3, 6) and octets[1] & 1 else ""
    causes = []
    for start, end in parameters(octets, FIXED[protocol][octets[0]]):
        if octets[start:start + 2] == b"\x00\x0c":
            inner = start + 4
            while inner + 4 <= end:
                cause, size = struct.unpack(">HH", octets[inner:inner + 4])
                causes.append(f"0x{cause:04x}")
                inner += max(4, size + 3 & ~3)
    return name + flags + (" with cause " + ", ".join(causes) if causes else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=400, help="how many messages")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="each kind of difference with an example")
    arguments = parser.parse_args()
    work = tempfile.mkdtemp(prefix="differential-")
    ours = Registrar("ours", [arguments.program, "registrar", "--asap", f"sctp://{ADDRESS}:3863", "--enrp", f"sctp://{ADDRESS}:9901",
                              "--profile", "rsplib"], 3863, 9901, "start-up is over, serving", work)
    theirs = Registrar("rsplib", ["rspregistrar", f"-asap={ADDRESS}:4863", f"-enrp={ADDRESS}:8901", "-logcolor=off", "-loglevel=3"],
                       4863, 8901, "The registrar is ready!", work)
    dice, messages = random.Random(arguments.seed), captured()
    made = mutations(dice)
    kinds, differences, same = list(made), collections.Counter(), 0
    examples = {}
    # Each type of message as often as each other.
    by_type = collections.defaultdict(list)
    for protocol, message in messages:
        by_type[protocol, message[0]].append(message)
    for number in range(arguments.count):
        protocol, kind = dice.choice(sorted(by_type))
        message = dice.choice(by_type[protocol, kind])
        mutation = kinds[number % len(kinds)]
        mutant = made[mutation](protocol, message)
        if mutant is None:
            continue
        if protocol == ENRP and len(mutant) >= 8 and mutant[4:8] == message[4:8]:
            mutant = mutant[:4] + struct.pack(">I", OWN + number) + mutant[8:]
        found = [registrar.answers(protocol, mutant, number) for registrar in (ours, theirs)]
        if ours.is_dead():
            print(f"OURS HAS DIED: {mutation} of {'ASAP' if protocol == ASAP else 'ENRP'} {mutant.hex()}")
            print(ours.log.read_text(errors="replace")[-2000:])
            return 1
        if theirs.is_dead():
            theirs.deaths += 1
            found[1] = "dies"
            theirs.sockets.clear()
            theirs.start()
        if found[0] == found[1]:
            same += 1
        else:
            name = f"{'ASAP' if protocol == ASAP else 'ENRP'} {NAMES[protocol][kind]}"
            differences[name, mutation, *found] += 1
            examples.setdefault((name, mutation, *found), mutant.hex())
    rows = [row.split("\t") for row in (HERE / "differences.tsv").read_text().splitlines()[1:]]
    reasons, unexplained = collections.Counter(), 0
    for (name, mutation, our, their), count in sorted(differences.items()):
        found = [mutation, name.split(" ", 1)[1], our, their]
        fits = (number for number, row in enumerate(rows)
                if all(re.fullmatch(pattern or ".*", text) for pattern, text in zip(row, found)))
        row = next(fits, None)
        reasons[row] += count
        unexplained += row is None
        if arguments.verbose or row is None:
            print(f"{count:4} {name} | {mutation} | ours: {our} | rsplib: {their}" + ("" if row is not None else " | NOT EXPLAINED"))
            print(f"     {examples[name, mutation, our, their]}")
    for row, count in sorted(reasons.items(), key=lambda reason: -reason[1]):
        print(f"{count:4} {rows[row][-1] if row is not None else 'not explained'}")
    print(f"{same} answers alike, {differences.total()} different; rsplib has died {theirs.deaths} times, ours never")
    for registrar in (ours, theirs):
        registrar.child.kill()
    return 1 if unexplained else 0


sys.exit(main())
