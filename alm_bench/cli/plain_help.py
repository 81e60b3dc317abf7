"""Help texts that show arguments by their metavar only; typer would add types (`RUN... <list[str]>`) and braces."""

from typing import Any

from typer.core import TyperCommand


class PlainCommand(TyperCommand):
    """Command whose help text shows arguments by their metavar only."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [self.options_metavar or "", *(parameter.metavar or "" for parameter in self._list_arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        arguments = [(parameter, parameter.get_help_record(ctx)) for parameter in self._list_arguments()]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(one.metavar, record[1]) for one, record in arguments if record is not None])
        options = [one.get_help_record(ctx) for one in self.get_params(ctx) if one.param_type_name == "option"]
        with formatter.section("Options"):
            formatter.write_dl([record for record in options if record is not None])

    def _list_arguments(self) -> list[Any]:
        return [parameter for parameter in self.params if parameter.param_type_name == "argument"]
