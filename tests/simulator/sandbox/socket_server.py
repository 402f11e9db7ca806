"""A websocket server of nothing but the standard library, to run inside of a sandbox: `python3 socket_server.py PORT`.

It prints its port. What it does depends on the path that is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import socketserver
import struct
import sys

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
LARGE = 1_000_000


class Socket(socketserver.StreamRequestHandler):
    def handle(self):
        asked = self.rfile.readline().decode().split(" ")[1]
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        if asked == "/refuse":
            self.wfile.write(b"HTTP/1.1 418 No\r\nContent-Length: 6\r\n\r\nteapot")
            return
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {accept}")
        if "sec-websocket-protocol" in headers:
            lines.append("Sec-WebSocket-Protocol: " + headers["sec-websocket-protocol"].split(",")[-1].strip())
        greeting = self.frame(TEXT, b"hello") if asked == "/greets" else b""  # in one piece with the answer's head
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode() + greeting)
        getattr(self, asked.strip("/"), self.echo)(headers)

    def echo(self, headers):
        """Answer each message with itself in two fragments, and a close frame with its own code."""
        while (received := self.read()) is not None:
            opcode, data = received
            if opcode == CLOSE:
                self.wfile.write(self.frame(CLOSE, data))
                return
            if opcode == PING:
                self.wfile.write(self.frame(PONG, data))
            elif opcode in (TEXT, BINARY):
                middle = len(data) // 2
                self.wfile.write(self.frame(opcode, data[:middle], last=False) + self.frame(0, data[middle:]))

    def headers(self, headers):
        self.wfile.write(self.frame(TEXT, "\n".join(sorted(headers)).encode()))
        self.echo(headers)

    def pings(self, headers):
        self.wfile.write(self.frame(PING, b"there?"))
        opcode, data = self.read()
        self.wfile.write(self.frame(TEXT, f"{opcode} {data.decode()}".encode()))
        self.echo(headers)

    def closes(self, headers):
        self.wfile.write(self.frame(TEXT, b"bye") + self.frame(CLOSE, struct.pack("!H", 4001) + b"enough"))
        self.read()

    def ends(self, headers):
        self.wfile.write(self.frame(CLOSE, struct.pack("!H", 1000)))
        self.read()

    def breaks(self, headers):
        self.wfile.write(self.frame(TEXT, b"half")[:-1])

    def badly(self, headers):
        self.wfile.write(self.frame(TEXT, b"\xff"))
        self.read()

    def large(self, headers):
        self.wfile.write(self.frame(BINARY, bytes(LARGE)))
        self.echo(headers)

    def deaf(self, headers):
        """Read nothing before it is told to, over another connection."""
        gate.acquire()
        size = 0
        while (received := self.read()) and received[0] == BINARY:
            size += len(received[1])
        self.wfile.write(self.frame(TEXT, str(size).encode()))
        self.echo(headers)

    def listen(self, headers):
        gate.release()
        self.echo(headers)

    def frame(self, opcode, data, *, last=True):
        if len(data) < 126:
            head = bytes([last << 7 | opcode, len(data)])
        elif len(data) < 65536:
            head = struct.pack("!BBH", last << 7 | opcode, 126, len(data))
        else:
            head = struct.pack("!BBQ", last << 7 | opcode, 127, len(data))
        return head + data

    def read(self):
        """A frame, or None at the end. Clients of these tests send no fragments."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 127
        if size > 125:
            size = int.from_bytes(self.rfile.read(2 if size == 126 else 8), "big")
        mask = self.rfile.read(4)
        data = self.rfile.read(size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return head[0] & 15, (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


if __name__ == "__main__":
    import threading

    gate = threading.Semaphore(0)
    server = Server(("127.0.0.1", int(sys.argv[1])), Socket)
    print(server.server_address[1], flush=True)
    server.serve_forever()
