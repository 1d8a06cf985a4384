"""Fake keyrings with every misbehaviour that was reported for real ones."""

from __future__ import annotations

import threading

from byokd.keysource.source import source_error


class Keyring:
    """A keyring that works; each subclass changes one thing."""

    name = "fake"

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}
        self.calls: list[str] = []

    def check(self) -> None:
        self.calls.append("check")

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        self.calls.append("get" if prompt_timeout_ms is None else "get with prompt")
        return self.items.get((service, user))

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        self.calls.append("set" if prompt_timeout_ms is None else "set with prompt")
        assert (service, user) not in self.items
        self.items[service, user] = value

    def delete(self, service: str, user: str) -> None:
        self.calls.append("delete")
        self.items.pop((service, user), None)


class Absent(Keyring):
    """No keyring: a container, a headless machine."""

    def check(self) -> None:
        super().check()
        raise source_error("noBackend")

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        super().get(service, user, prompt_timeout_ms=prompt_timeout_ms)
        raise source_error("noBackend")

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        self.get(service, user + value, prompt_timeout_ms=prompt_timeout_ms)


class Locked(Keyring):
    """A locked collection; the person dismisses its prompt."""

    def check(self) -> None:
        super().check()
        raise source_error("backendLocked")

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        super().get(service, user, prompt_timeout_ms=prompt_timeout_ms)
        raise source_error("backendLocked" if prompt_timeout_ms is None else "promptDismissed")

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        self.get(service, user + value, prompt_timeout_ms=prompt_timeout_ms)


class Hanging(Keyring):
    """Never answers, until `release` is set to end the test's threads."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def check(self) -> None:
        self.release.wait()

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        self.release.wait()
        return super().get(service, user, prompt_timeout_ms=prompt_timeout_ms)

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        self.release.wait()
        super().set(service, user, value, prompt_timeout_ms=prompt_timeout_ms)


class Null(Keyring):
    """Accepts everything and stores nothing."""

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        super().set(service, user, value, prompt_timeout_ms=prompt_timeout_ms)
        self.items.clear()


class Truncating(Keyring):
    """Stores the first forty characters."""

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        super().set(service, user, value[:40], prompt_timeout_ms=prompt_timeout_ms)


class Flickering(Keyring):
    """Returns nothing twice, as while another process replaces an item."""

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        value = super().get(service, user, prompt_timeout_ms=prompt_timeout_ms)
        return value if self.calls.count("get") > 2 else None


class Raising(Keyring):
    """Raises a foreign exception that quotes its arguments."""

    def check(self) -> None:
        raise OSError("dbus: check")

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        raise OSError(f"dbus: {service} {user} {prompt_timeout_ms}")

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        raise OSError(f"dbus: {service} {user} {value} {prompt_timeout_ms}")


class Slow(Keyring):
    """Answers after a tenth of a second."""

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        threading.Event().wait(0.1)
        return super().get(service, user, prompt_timeout_ms=prompt_timeout_ms)


class NewlineDropping(Keyring):
    """Loses all items when a value has more than one line."""

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        super().set(service, user, value.rstrip("\n"), prompt_timeout_ms=prompt_timeout_ms)
        if len(value.splitlines()) != 1 or value.endswith("\n"):
            self.items.clear()


class Small(Keyring):
    """Takes values of at most 1280 characters and names of 512, as Windows does."""

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        if max(len(value), 2 * len(f"{user}@{service}")) > 1280:
            raise OSError(1783, "The stub received bad data")
        super().set(service, user, value, prompt_timeout_ms=prompt_timeout_ms)


class Collapsing(Keyring):
    """Raises a `BaseException`, as native code that panics does."""

    def check(self) -> None:
        raise SystemExit("check")

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        raise SystemExit(f"{service} {user} {prompt_timeout_ms}")

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        raise SystemExit(f"{service} {user} {value} {prompt_timeout_ms}")

    def delete(self, service: str, user: str) -> None:
        raise SystemExit(f"{service} {user}")
