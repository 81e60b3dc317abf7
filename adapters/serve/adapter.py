"""Model `serve`: a model behind a server that is started for the run and stopped after it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from alm_bench.adapters.openai.adapter import OpenAIAdapter
from alm_bench.adapters.openai.session import Session
from alm_bench.adapters.serve.options import ServeOptions
from alm_bench.adapters.serve.server import Server, find_free_port
from alm_bench.core import AdapterError, AnsweredRequest, Decoding, Request, Runtime
from alm_bench.core.files import get_cache_folder
from alm_bench.core.secrets import hide_secrets


class ServeAdapter(OpenAIAdapter):
    """a model behind a server started here: model=NAME, preset=vllm|transformers or command="... --port {port}" """

    Options = ServeOptions
    abilities = replace(
        OpenAIAdapter.abilities, runtime_options=(*OpenAIAdapter.abilities.runtime_options, "start_timeout")
    )

    def __init__(self, options: ServeOptions, runtime: Runtime) -> None:
        super().__init__(options, runtime)
        settings = {name: value for name, value in self.identity.settings.items() if name != "base_url"}
        self.identity = replace(
            self.identity, family="serve", settings={"command": hide_secrets(options.command_template), **settings}
        )
        self._serve = options
        self._server: Server | None = None
        self._log: Path | None = None

    def log_to(self, folder: Path) -> None:
        self._log = folder / "server.log"

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[list[AnsweredRequest]]:
        """Start the server if needed, wait until it is healthy, send requests, and yield answers.

        Raises the errors of `openai`, and AdapterError if the server does not start or ends before the run.
        """
        self._ensure_server()
        for answers in super().stream(requests, decoding):
            failed = [output for _, output in answers if output.error is not None]
            if failed and self._server is not None and self._server.has_ended:
                yield [(request, output) for request, output in answers if output.error is None]
                raise AdapterError(
                    f"model serve: the server ended; what is answered is kept, its log is {self._server.log}"
                )
            yield answers

    def _ensure_server(self) -> None:
        """Start the server unless it is running. Called at the first request, so that planning and estimates start
        none.
        """
        if self._server is not None and not self._server.has_ended:
            return
        port = find_free_port()
        log = self._log or get_cache_folder("servers") / f"server-{port}.log"
        self._server = Server(self._serve.build_arguments(port), port, log)
        try:
            self._server.wait(self._serve.start_timeout)
        except BaseException:  # Ctrl-C included: no server keeps running
            self.close()
            raise
        self._options, self._session = self._serve.build_openai_options(port), Session()

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


ADAPTERS = {"serve": ServeAdapter}
