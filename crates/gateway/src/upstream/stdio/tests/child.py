"""A child for tests: speaks a little of both eras, and misbehaves on request."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

LOCK = threading.Lock()
WAITING = {}
META = "io.modelcontextprotocol/"


def say(message, end="\n"):
    with LOCK:
        sys.stdout.write(json.dumps(message, separators=(",", ":")) + end)
        sys.stdout.flush()


def answer(request, result):
    say({"jsonrpc": "2.0", "id": request["id"], "result": result})


def tell(method, **params):
    say({"jsonrpc": "2.0", "method": method, "params": params})


def refuse(request, code):
    say({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": "no"}})


def call(request):
    params = request["params"]
    name = params["name"]
    arguments = params.get("arguments", {})
    token = params.get("_meta", {}).get("progressToken")
    if name == "echo":
        time.sleep(arguments.get("after", 0))
        answer(request, {"echo": params})
    elif name == "progress":
        for step in range(arguments.get("steps", 3)):
            tell("notifications/progress", progressToken=token, progress=step)
            time.sleep(arguments.get("pause", 0))
        answer(request, {"done": True})
    elif name == "log":
        tell("notifications/message", level="info", data="hello")
        answer(request, {"done": True})
    elif name == "ask":
        WAITING["ask"] = request
        say({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": {}})
    elif name == "hang":
        pass
    elif name == "die":
        os._exit(3)
    elif name == "die-mid-stream":
        tell("notifications/progress", progressToken=token, progress=0)
        os._exit(3)
    elif name == "deaf":
        answer(request, {})
        signal.pause()
    elif name == "nonsense":
        for _ in range(arguments["lines"]):
            sys.stdout.write("this is no message\n")
        answer(request, {"done": True})
    elif name == "long":
        answer(request, {"filler": "x" * arguments["bytes"]})
    elif name == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    elif name == "environment":
        answer(request, dict(os.environ))
    elif name == "fork":
        child = subprocess.Popen(
            ["sh", "-c", "trap '' TERM; sleep 600"], stdin=subprocess.DEVNULL
        )
        answer(request, {"pid": child.pid})
    elif name == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        answer(request, {"pid": os.getpid()})
        while True:
            time.sleep(60)
    elif name == "foreign":
        say({"jsonrpc": "2.0", "id": 999999, "result": {}})
        say({"jsonrpc": "2.0", "id": "server-asks", "method": "roots/list"})
        tell("notifications/progress", progressToken=999999, progress=1)
        tell("notifications/tools/list_changed")
        answer(request, {"done": True})
    elif name == "capability":
        refuse(request, -32021)
    else:
        refuse(request, -32602)


def handle(message):
    method = message.get("method")
    if method is None:
        if "ask" in WAITING:
            answer(WAITING.pop("ask"), {"asked": message.get("result")})
    elif method == "initialize":
        tell("notifications/tools/list_changed")
        answer(message, {"protocolVersion": message["params"]["protocolVersion"]})
    elif method == "server/discover":
        if "--legacy" in sys.argv:
            refuse(message, -32601)
        elif "--dies-on-probe" in sys.argv:
            os._exit(1)
        elif "--silent-on-probe" not in sys.argv:
            answer(message, {"supportedVersions": ["2026-07-28"]})
    elif method == "subscriptions/listen":
        tag = {META + "subscriptionId": message["id"]}
        tell("notifications/subscriptions/acknowledged", _meta=tag)
        tell("notifications/tools/list_changed", _meta=tag)
        WAITING["listen"] = message
    elif method == "test/end-listen":
        listen = WAITING.pop("listen")
        answer(listen, {"_meta": {META + "subscriptionId": listen["id"]}})
        answer(message, {})
    elif method == "notifications/cancelled":
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(json.dumps(message["params"]) + "\n")
    elif method == "tools/call":
        if message["params"]["name"] in ("echo", "progress"):
            threading.Thread(target=call, args=(message,), daemon=True).start()
        else:
            call(message)
    elif "id" in message:
        refuse(message, -32601)


print("started", file=sys.stderr, flush=True)
if "--dies-at-once" in sys.argv:
    sys.exit(1)
for line in sys.stdin:
    handle(json.loads(line))
