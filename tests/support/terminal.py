#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`x0 top` at a terminal of its own: what it draws fits, keys work, and however it ends the terminal
is as it was. Arguments: the command."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    def __init__(self, rows, columns):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.program = subprocess.Popen(
            sys.argv[1:], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env=dict(os.environ, TERM="xterm"), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """What comes in this time."""
        end, new = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                new += os.read(self.master, 65536).decode()
        self.text += new
        return new

    def until(self, pattern, seconds=10):
        end, new = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            new += self.read(0.1)
            if re.search(pattern, new):
                return new
        sys.exit(f"no {pattern!r} in {new!r}")

    def press(self, keys):
        os.write(self.master, keys.encode())

    def check_frames(self, text):
        """No frame has more lines than there are, and no line more columns."""
        for frame in text.split("\x1b[H")[1:]:
            lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame.split(LEAVE)[0]).split("\r\n")
            assert len(lines) <= self.rows, (len(lines), self.rows, frame)
            assert all(len(l) <= self.columns for l in lines), (self.columns, lines)

    def end(self, status=0):
        self.program.wait(10)
        self.read(0.2)
        assert self.program.returncode == status, self.program.returncode
        assert self.text.count(ENTER) == self.text.count(LEAVE) > 0, "the screen is not as it was"
        assert self.text.rindex(LEAVE) > self.text.rindex(ENTER)
        assert self.text.count("\x1b[?25l") == self.text.count("\x1b[?25h"), "the cursor is gone"
        assert self.text.count("\x1b[?7l") == self.text.count("\x1b[?7h"), "lines do not wrap any more"
        assert termios.tcgetattr(self.slave) == self.before, "the keys do not work as before"
        os.close(self.master)
        os.close(self.slave)


# 80 x 24: it draws, goes on drawing, pauses, goes on, and ends by its key
t = Terminal(24, 80)
t.until("PEER")
assert termios.tcgetattr(t.slave) != t.before
t.check_frames(t.read(2.5))
t.press("p")
t.until("PAUSED", 3)
t.press("p")
t.press("\x1b[B\x1b[Ajk")
t.check_frames(t.read(1.2))
assert "PAUSED" not in t.text.split("\x1b[H")[-1]
# made smaller while it runs
t.resize(8, 40)
os.kill(t.program.pid, signal.SIGWINCH)
t.read(0.5)
t.check_frames("\x1b[H" + t.read(1.5).split("\x1b[H", 1)[1])
t.press("q")
t.end()

# ended by signals
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    t = Terminal(24, 80)
    t.until("PEER")
    t.program.send_signal(number)
    t.end()

# Ctrl-Z: the terminal is the shell's meanwhile
t = Terminal(24, 80)
t.until("PEER")
t.program.send_signal(signal.SIGTSTP)
for _ in range(100):
    pid, status = os.waitpid(t.program.pid, os.WNOHANG | os.WUNTRACED)
    if pid:
        break
    t.read(0.05)
assert pid and os.WIFSTOPPED(status), "it does not stop"
assert termios.tcgetattr(t.slave) == t.before
t.read(0.1)
assert LEAVE in t.text
t.program.send_signal(signal.SIGCONT)
t.until(re.escape(ENTER), 5)
t.press("q")
t.end()
print("the terminal is as it was after q, SIGINT, SIGTERM, SIGHUP and SIGTSTP")
