"""The real MCP servers that stand behind the gateway in these tests."""

import contextlib

from stand import MODULES, NODE, OUTSIDE, PYTHON, Process, free_port

EVERYTHING = MODULES / "@modelcontextprotocol/server-everything/dist/index.js"
FILESYSTEM = MODULES / "@modelcontextprotocol/server-filesystem/dist/index.js"

# The Python reference server speaks stdio only when asked in its own language.
_PYTHON_STDIO = f"import sys; sys.path.insert(0, {str(OUTSIDE)!r}); " \
    "from mcp_everything_server.server import mcp; mcp.run(transport='stdio')"


@contextlib.contextmanager
def python_everything_http():
    """The Python everything-server over HTTP, both eras; yields its URL."""
    port = free_port()
    command = [PYTHON, "-m", "mcp_everything_server", "--port", port, "--log-level", "ERROR"]
    with Process(command, env={"PYTHONPATH": str(OUTSIDE)}, name="everything") as process:
        process.wait_for_port(port)
        yield f"http://127.0.0.1:{port}/mcp"


def python_everything_stdio():
    """The command that starts the same server over stdio."""
    return [PYTHON, "-c", _PYTHON_STDIO]


@contextlib.contextmanager
def node_everything_http():
    """server-everything over streamable HTTP, legacy only; yields its URL."""
    port = free_port()
    command = [NODE, EVERYTHING, "streamableHttp"]
    with Process(command, env={"PORT": str(port)}, name="server-everything") as process:
        process.wait_for_port(port)
        yield f"http://127.0.0.1:{port}/mcp"


def node_everything_stdio():
    """The command of server-everything over stdio, legacy only."""
    return [NODE, str(EVERYTHING), "stdio"]


def node_filesystem_stdio(*folders):
    """The command of server-filesystem over stdio, legacy only."""
    return [NODE, str(FILESYSTEM), *map(str, folders)]
