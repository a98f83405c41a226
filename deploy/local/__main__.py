"""`python -m deploy.local up|down|ps|logs|scale|local|doctor`: what the Makefile calls."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local import background, doctor, native
from deploy.local.compose import LLM_PORT, Compose, compose_env, kept, unseen_by_containers, without_taken_port
from deploy.local.env import ensure_api_key, merged_env, read_dotenv, unread_lines
from deploy.local.redis_server import NoRedis
from deploy.local.services import LIVEKIT, REDIS, SERVICES
from deploy.local.stack import MAX_BRAINS, ROOT, StartFailed
from deploy.local.state import AlreadyRunning, Files, shown, table
from deploy.local.urls import compose_places, native_places, told
from deploy.observe.beside import NAME as PROMETHEUS
from libs.observability.probe import ready

READY = "ready   make logs, make ps, make scale N=4, make down"
Command = Callable[["Context", argparse.Namespace], int]


class Context:
    """What every command works on."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.dotenv = root / ".env"
        self.environ = environ
        known = merged_env(environ, read_dotenv(self.dotenv))
        self.files = Files(Path(known.get("BOTEL_VAR") or root / "var"))
        self.compose = Compose(root, compose_env(known))

    def env(self) -> dict[str, str]:
        """The environment of the services, with a development key made on first use."""
        if ensure_api_key(self.dotenv, self.environ):
            print(f"made a development key: BOTEL_API_KEY in {self.dotenv.name}", flush=True)
        for number in unread_lines(self.dotenv):
            print(f"{self.dotenv.name}: line {number} is no NAME=VALUE and sets nothing", file=sys.stderr)
        return merged_env(self.environ, read_dotenv(self.dotenv))


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    command: Command = COMMANDS[arguments.command]
    try:
        done = command(Context(ROOT, os.environ), arguments)
        sys.stdout.flush()
        return done
    except (background.NotRunning, background.Failed, AlreadyRunning, NoRedis, StartFailed, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `make ps | head`: whoever reads has read enough, and what is left is not for anybody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # var/ cannot be written, a disk is full: it names file and reason
        print(error, file=sys.stderr)
        return 1


def _local(context: Context, arguments: argparse.Namespace) -> int:
    asyncio.run(
        native.run(
            context.files.directory,
            context.env(),
            brains=arguments.brains,
            free_ports=arguments.free_ports,
            background=arguments.background,
        )
    )
    return 0


def _up(context: Context, arguments: argparse.Namespace) -> int:
    env = context.env()
    running = context.files.running()
    if running:
        print(f"already up: {running['text_url']} (what has changed in .env counts after make down)")
        return 0
    reason = context.compose.why_not()
    if not reason and env.get("BOTEL_STACK") != "native":
        return _up_in_containers(context, env, arguments.brains)
    print(f"starting natively, in the background ({reason or 'BOTEL_STACK=native'})", flush=True)
    command = [sys.executable, "-m", "deploy.local", "local", "--background", "--brains", str(arguments.brains)]
    command += ["--free-ports"] if arguments.free_ports else []
    state = background.start(context.files, context.root, env, command)
    print(table(state["rows"]), end="\n\n")
    print(told(native_places(state, env)))
    print(READY)
    return 0


def _up_in_containers(context: Context, env: Mapping[str, str], brains: int) -> int:
    print("starting with Docker Compose; returns when every container is healthy", flush=True)
    if unseen := unseen_by_containers(context.root, context.environ, read_dotenv(context.dotenv)):
        print(f"containers read .env, which says otherwise of these: {', '.join(unseen)}", file=sys.stderr)
    filled = compose_env(env, kept(context.files.directory))
    filled = without_taken_port(filled, ours=context.compose.runs() and ready(LLM_PORT))
    done = Compose(context.root, filled).up(brains)
    if done == 0:
        print(f"\n{told(compose_places(filled))}\n{READY}")
    return done


def _down(context: Context, _: argparse.Namespace) -> int:
    if context.files.running():
        print("ending it; calls and turns under way have some seconds to end by themselves", flush=True)
        background.stop(context.files)
        print("the native stack has ended")
    elif context.compose.runs():
        return context.compose.down()
    else:
        print("nothing runs")
    return 0


def _ps(context: Context, _: argparse.Namespace) -> int:
    state = context.files.running()
    if state:
        print(shown(state))
    elif context.compose.runs():
        return context.compose.ps()
    else:
        print("nothing runs")
    return 0


def _logs(context: Context, arguments: argparse.Namespace) -> int:
    if context.files.running() is None and context.compose.runs():
        return context.compose.logs(arguments.service, arguments.lines, follow=arguments.follow)
    if not context.files.log.exists():
        raise background.NotRunning("no log: nothing has run in the background here")
    known = {REDIS, LIVEKIT, PROMETHEUS, *(service.name for service in SERVICES)}
    if arguments.service and arguments.service.rsplit("-", 1)[0] not in known:
        raise ValueError(f"no service {arguments.service!r}: one of {', '.join(sorted(known))}")
    lines = background.follow(context.files.log, arguments.lines, only=arguments.service, on=arguments.follow)
    for line in lines:
        print(line, end="", flush=True)
    return 0


def _scale(context: Context, arguments: argparse.Namespace) -> int:
    if context.files.running() is None and context.compose.runs():
        return context.compose.scale(arguments.brains)
    print(table(background.scale(context.files, arguments.brains)["rows"]))
    return 0


def _doctor(context: Context, _: argparse.Namespace) -> int:
    env = merged_env(context.environ, read_dotenv(context.dotenv))
    findings = doctor.examine(context.root, env, context.compose, running=context.files.running() is not None)
    print(doctor.report(findings))
    return 0 if doctor.can_run(findings) else 1


COMMANDS: dict[str, Command] = {
    "local": _local,
    "up": _up,
    "down": _down,
    "ps": _ps,
    "logs": _logs,
    "scale": _scale,
    "doctor": _doctor,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("local", "run the stack in the foreground"), ("up", "start it in the background")):
        command = commands.add_parser(name, help=about)
        command.add_argument("--brains", type=_brains, default=2)
        command.add_argument("--free-ports", action="store_true", help="any free ports instead of the usual ones")
        if name == "local":
            command.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    commands.add_parser("down", help="end it")
    commands.add_parser("ps", help="what runs")
    logs = commands.add_parser("logs", help="what it writes")
    logs.add_argument("service", nargs="?", default="")
    logs.add_argument("-n", "--lines", type=int, default=100)
    logs.add_argument("--no-follow", dest="follow", action="store_false")
    commands.add_parser("scale", help="have this many brains").add_argument("brains", type=_brains)
    commands.add_parser("doctor", help="what is found and what is missing")
    return parser


def _brains(text: str) -> int:
    if not text.isdigit() or int(text) > MAX_BRAINS:
        raise argparse.ArgumentTypeError(f"a number of brains, 0 to {MAX_BRAINS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
