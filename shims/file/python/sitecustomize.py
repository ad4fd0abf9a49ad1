"""The file shim for Python: an audit hook in each Python process of a cooperative session.

Asks the session's host before a program changes a file, reads a secret, starts another program by its path, or connects; what is not
answered ALLOW raises PermissionError and does not happen (AARM R1). Python calls audit hooks before the act, and a hook cannot be removed.

It runs inside the program that it watches: a program that means to can go round it (docs/known-issues.md). PYTHONPATH brings it in, so it is
loaded by each Python that starts: it must read in all of them, and hands on to the sitecustomize that it stands in front of.
"""
import sys


def _install():
    import errno
    import json
    import os
    import re
    import socket
    import struct
    import threading
    import time

    here = os.path.dirname(os.path.abspath(__file__))
    session = os.path.dirname(os.path.dirname(here))
    surface = os.path.join(session, "surface.sock")
    shims = os.path.realpath(os.path.join(session, "shims"))
    trusted = os.path.realpath(os.path.join(session, "trust")) + os.sep
    everything = {"names": ["*"], "folders": [], "paths": [], "exact": [], "odd": []}
    try:
        with open(os.path.join(os.path.dirname(here), "session.json"), encoding="utf-8") as file:
            known = json.load(file)
        calm, proxy = known["calm"], known.get("proxy")
    except (OSError, ValueError, KeyError):
        # Nobody says what is calm: everything is asked about.
        calm = {"write": [], "delete": [], "move": [], "change": everything, "read": everything}
        proxy = None

    lstat, readlink, realpath, stat_mode = os.lstat, os.readlink, os.path.realpath, os.stat
    getcwd, getpid, fsdecode, monotonic = os.getcwd, os.getpid, os.fsdecode, time.monotonic
    new_socket = socket.socket
    start_path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":")
    start_directories = {realpath(d) for d in start_path if d} - {shims}
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    class Table(object):
        """One of the host's lists, made quick to look into (electron/wire/calm.ts)."""

        def __init__(self, given):
            names = given["names"]
            self.names = {n for n in names if "*" not in n}
            self.parts = [n[1:-1] for n in names if n.startswith("*") and n.endswith("*")]
            self.ends = tuple(n[1:] for n in names if n.startswith("*") and not n.endswith("*"))
            self.starts = tuple(n[:-1] for n in names if n.endswith("*") and not n.startswith("*"))
            self.folders = set(given["folders"])
            self.exact = set(given["exact"])
            self.paths = {p for p in given["paths"] if "*" not in p}
            self.odd = [re.compile(source) for source in given["odd"]]
            for path in given["paths"]:
                if "*" in path:
                    self.odd.append(re.compile("^" + re.escape(path).replace("\\*", "[^/]+") + "(?:/|$)"))
            self.seen = {}

        def names_folder(self, folder):
            known = self.seen.get(folder)
            if known is None:
                known = "/" in self.paths
                at = 0
                while not known and at >= 0 and folder != "/":
                    end = folder.find("/", at + 1)
                    up_to = folder if end < 0 else folder[:end]
                    known = up_to in self.paths or up_to[at + 1 :] in self.folders
                    at = end
                if len(self.seen) > 5000:
                    self.seen.clear()
                self.seen[folder] = known
            return known

        def has(self, path):
            cut = path.rfind("/")
            own = path[cut + 1 :]
            name = own.lower()
            return (
                name in self.names
                or path in self.paths
                or path in self.exact
                or own in self.folders
                or name.endswith(self.ends)
                or name.startswith(self.starts)
                or any(text in name for text in self.parts)
                or self.names_folder(path[:cut] or "/")
                or any(pattern.search(path) for pattern in self.odd)
            )

    change, reading = Table(calm["change"]), Table(calm["read"])
    roots = {kind: tuple(realpath(root) + "/" for root in calm[kind]) for kind in ("write", "delete", "move")}
    allowed = {}
    state = threading.local()

    def is_calm(kind, path):
        return path.startswith(roots[kind]) and not change.has(path)

    def text_of(given, directory=None):
        """Absolute text of a path, or None for a descriptor and for what the call itself will refuse."""
        if isinstance(given, int) or given is None:
            return None
        try:
            text = fsdecode(given)
        except (TypeError, ValueError):
            return None
        if "\0" in text or text == "":
            return None
        if not text.startswith("/"):
            base = None
            if isinstance(directory, int) and directory >= 0:
                try:
                    base = readlink("/proc/self/fd/%d" % directory)
                except OSError:
                    base = None
            try:
                text = os.path.join(base or getcwd(), text)
            except OSError:
                return None
        return os.path.normpath(text) if ".." not in text else text

    def name_of(given, directory=None):
        """The name itself, its folder resolved."""
        text = text_of(given, directory)
        if text is None:
            return None
        text = text.rstrip("/") or "/"
        folder, own = os.path.split(text)
        if own in ("", ".", ".."):
            return realpath(text)
        return os.path.join(realpath(folder), own)

    def target_of(given, directory=None):
        """What opening that name leads to."""
        text = text_of(given, directory)
        return None if text is None else realpath(text)

    def of_descriptor(given):
        if isinstance(given, int):
            try:
                return readlink("/proc/self/fd/%d" % given)
            except OSError:
                return None
        return target_of(given)

    def frame(fields):
        payload = b"".join(
            tag.encode() + struct.pack("<I", len(value)) + value
            for tag, value in ((tag, os.fsencode(text)) for tag, text in fields)
        )
        return b"CSN1" + struct.pack("<I", len(payload)) + payload

    def receive(connection, size):
        got = b""
        while len(got) < size:
            more = connection.recv(size - len(got))
            if not more:
                raise OSError("closed")
            got += more
        return got

    def ask(fields):
        """None when it is allowed, else why not."""
        try:
            directory = getcwd()
        except OSError:
            directory = "/"
        question = frame(fields + [("c", directory), ("q", str(getpid()))])
        try:
            patience = float(os.environ.get("COUNTERSIGN_DEADLINE_MS", "20000")) / 1000
        except ValueError:
            patience = 20.0
        connection = new_socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(patience if 0 < patience < 600 else 20.0)
            connection.connect(surface)
            connection.sendall(question)
            while True:
                head = receive(connection, 8)
                size = struct.unpack("<I", head[4:])[0]
                if head[:4] != b"CSN1" or size > 1 << 20:
                    return "the session's host answered something unreadable; start again with `countersign run`"
                payload, at, answer = receive(connection, size), 0, {}
                while at + 5 <= size:
                    length = struct.unpack("<I", payload[at + 1 : at + 5])[0]
                    answer[payload[at : at + 1]] = payload[at + 5 : at + 5 + length].decode("utf-8", "replace")
                    at += 5 + length
                if b"w" in answer:
                    try:
                        os.write(2, answer[b"w"].encode("utf-8"))
                    except OSError:
                        pass
                    if answer.get(b"d", "").isdigit():
                        connection.settimeout(int(answer[b"d"]) / 1000.0 + 2)
                elif answer.get(b"D") == "ALLOW":
                    return None
                else:
                    text = answer.get(b"m", "").strip()
                    for start in ("countersign: ", "denied: "):
                        if text.startswith(start):
                            text = text[len(start) :]
                    return text.replace("\ncountersign: ", "; ") or "the session's host gave no answer"
        except socket.timeout:
            return "no decision came in time; see `countersign status`"
        except OSError:
            return "the session's host does not answer; start again with `countersign run`"
        finally:
            connection.close()

    def settle(fields, path, destination=None):
        why = ask(fields)
        if why is None:
            return
        message = "%s (countersign: %s)" % (os.strerror(errno.EACCES), why)
        if destination is None:
            raise PermissionError(errno.EACCES, message, path)
        raise PermissionError(errno.EACCES, message, path, None, destination)

    def script():
        started = getattr(sys, "argv", [""])[:1]
        return [("e", realpath(started[0]))] if started and "/" in started[0] else []

    def about(operation, path, *more):
        settle([("k", "file"), ("O", operation), ("p", path)] + script() + list(more), path)

    def changing(operation, kind, path, *more):
        if path is not None and not is_calm(kind, path):
            about(operation, path, *more)

    def on_open(args):
        given, mode, flags = (list(args) + [None, None])[:3]
        if isinstance(given, int):
            return
        writes = bool(flags & writing) if isinstance(flags, int) and flags >= 0 else False
        if isinstance(mode, str) and any(letter in mode for letter in "wax+"):
            writes = True
        path = target_of(given)
        if path is None:
            return
        if writes:
            changing("write", "write", path)
        # What is not there gives nothing away: half of all programs look for settings that nobody made.
        # What a session trusts lies below our own folders, and is for everybody in it.
        elif reading.has(path) and os.path.lexists(path) and not path.startswith(trusted):
            about("read", path)

    def two_names(operation, kind, args):
        source = name_of(args[0], args[2] if len(args) > 2 else None)
        into = name_of(args[1], args[3] if len(args) > 3 else None)
        if source is None or into is None:
            return
        if is_calm(kind, source) and is_calm("write", into) and not reading.has(source):
            return
        settle([("k", "file"), ("O", operation), ("p", source), ("t", into)], source, into)

    def on_symlink(args):
        path = name_of(args[1], args[2] if len(args) > 2 else None)
        if path is None or is_calm("write", path):
            return
        try:
            leads = [("t", fsdecode(args[0]))]
        except TypeError:
            leads = []
        about("symlink", path, *leads)

    def on_chmod(args):
        path, mode = of_descriptor(args[0]), args[1]
        plain = isinstance(mode, int) and not mode & 0o6002 and mode & 0o700
        if path is None or (plain and is_calm("write", path)):
            return
        about("mode", path, *([("M", "%o" % (mode & 0o7777))] if isinstance(mode, int) else []))

    def on_chown(args):
        path = of_descriptor(args[0])
        if path is not None:
            about("owner", path)

    def is_program(path):
        try:
            return os.access(path, os.X_OK) and stat_mode(path).st_mode & 0o170000 == 0o100000
        except OSError:
            return False

    def look_up(program, directories):
        for directory in directories:
            path = os.path.join(directory or ".", program)
            if is_program(path):
                return path
        return None

    def starting(program, argv, environment, directory=None):
        """Asks about a program unless a shim will, or nobody has anything to say about it."""
        try:
            name = fsdecode(program)
            words = [fsdecode(word) for word in argv]
            given = environment if environment is not None else os.environ
            path = given.get("PATH", None) or given.get(b"PATH", None) if hasattr(given, "get") else None
            directories = fsdecode(path).split(":") if path else ["/usr/local/bin", "/usr/bin", "/bin"]
            base = fsdecode(directory) if directory is not None else getcwd()
        except (TypeError, ValueError, OSError):
            return
        path = os.path.join(base, name) if "/" in name else look_up(name, directories)
        if path is None or not is_program(path):
            return
        where = realpath(os.path.dirname(path))
        if where == shims:
            return
        if where in start_directories and not os.path.lexists(os.path.join(shims, os.path.basename(path))):
            return
        own = os.path.basename(path) if where in start_directories else path
        fields = [("k", "exec"), ("u", "1"), ("n", own), ("p", path)] + [("a", word) for word in words[1:]]
        settle(fields, path)

    def on_popen(args):
        executable, argv, directory, environment = args
        words = [argv] if isinstance(argv, (str, bytes)) or hasattr(argv, "__fspath__") else list(argv)
        starting(executable if executable is not None else words[0], words, environment, directory)

    def on_connect(args):
        address = args[1]
        if isinstance(address, (str, bytes)):
            try:
                path = realpath(fsdecode(address))
            except ValueError:
                return
            if address not in (surface, b"") and not path.startswith("\0") and path != realpath(surface):
                changing("write", "write", path)
            return
        if not isinstance(address, tuple) or len(address) < 2 or not isinstance(address[0], str):
            return
        host, port = address[0] or "0.0.0.0", address[1]
        if not isinstance(port, int) or not 0 <= port <= 65535 or getattr(args[0], "family", None) not in (
            socket.AF_INET,
            socket.AF_INET6,
        ):
            return
        # Our own proxy asks about each thing that it would send on.
        if host == "127.0.0.1" and port == proxy:
            return
        now = monotonic()
        if now - allowed.get((host, port), -100.0) < 10:
            return
        why = ask([("k", "connect"), ("h", host), ("j", str(port))])
        if why is not None:
            raise PermissionError(errno.EACCES, "%s (countersign: %s)" % (os.strerror(errno.EACCES), why), "%s:%d" % (host, port))
        if len(allowed) > 5000:
            allowed.clear()
        allowed[(host, port)] = now

    def on_mkdir(args):
        path = name_of(args[0], args[2] if len(args) > 2 else None)
        # `makedirs` tries what is there already; the call itself says so.
        if path is not None and not os.path.lexists(path):
            changing("mkdir", "write", path)

    def on_database(args):
        given = args[0]
        if isinstance(given, (str, bytes)) and given not in ("", ":memory:", b"", b":memory:"):
            text = fsdecode(given)
            if text.startswith("file:"):
                text = text[5:].split("?", 1)[0]
            if text:
                changing("write", "write", target_of(text))

    listeners = {
        "open": on_open,
        "os.remove": lambda a: changing("delete", "delete", name_of(a[0], a[1] if len(a) > 1 else None)),
        "os.rmdir": lambda a: changing("rmdir", "delete", name_of(a[0], a[1] if len(a) > 1 else None)),
        "shutil.rmtree": lambda a: changing("delete", "delete", name_of(a[0], a[1] if len(a) > 1 else None), ("R", "1")),
        "os.rename": lambda a: two_names("rename", "move", a),
        "os.link": lambda a: two_names("link", "write", a),
        "os.symlink": on_symlink,
        "os.mkdir": on_mkdir,
        "os.truncate": lambda a: changing("truncate", "write", None if isinstance(a[0], int) else target_of(a[0])),
        "os.chmod": on_chmod,
        "os.chown": on_chown,
        "os.lchown": on_chown,
        "os.utime": lambda a: changing("times", "write", of_descriptor(a[0])),
        "subprocess.Popen": on_popen,
        "os.posix_spawn": lambda a: starting(a[0], list(a[1]), a[2]),
        "os.exec": lambda a: starting(a[0], list(a[1]), a[2]),
        "os.system": lambda a: starting("/bin/sh", ["sh", "-c", a[0]], None),
        "socket.connect": on_connect,
        "socket.sendto": on_connect,
        "socket.sendmsg": on_connect,
        "sqlite3.connect": on_database,
    }

    def hook(event, args):
        listener = listeners.get(event)
        if listener is None or getattr(state, "asking", False):
            return
        state.asking = True
        try:
            listener(args)
        finally:
            state.asking = False

    sys.addaudithook(hook)


def _hand_on():
    """Runs the sitecustomize that would have been found without this one."""
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    ours = sys.modules.pop("sitecustomize", None)
    path = list(sys.path)
    sys.path[:] = [entry for entry in path if os.path.abspath(entry or ".") != here]
    try:
        __import__("sitecustomize")
    except ImportError as cause:
        if getattr(cause, "name", "sitecustomize") != "sitecustomize":
            raise
    finally:
        for entry in path:
            if os.path.abspath(entry or ".") == here and here not in sys.path:
                sys.path.insert(path.index(entry), entry)
        if "sitecustomize" not in sys.modules and ours is not None:
            sys.modules["sitecustomize"] = ours


if sys.version_info >= (3, 8):
    _install()
_hand_on()
