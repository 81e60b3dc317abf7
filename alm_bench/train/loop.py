"""Training loop: stages of optimiser steps, in one process or several. A resumed run takes exactly the same steps."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, set_seed
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from alm_bench.core import AlmBenchError, UsageError
from alm_bench.core.device import pick_device
from alm_bench.core.errors import is_out_of_memory
from alm_bench.mellow.checkpoint import save_folder
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.model import Mellow
from alm_bench.train.batches import Corpus, StageData
from alm_bench.train.checkpoint import (
    BEST,
    LAST,
    Position,
    TrainingFolder,
    get_random_state,
    restore_random_state,
    translate_state_errors,
)
from alm_bench.train.config import StageConfig, TrainConfig
from alm_bench.train.features import encode_clips
from alm_bench.train.holdout import write_held_out_questions
from alm_bench.train.lora import list_lora_parameters, merge_lora
from alm_bench.train.mixture import list_rows
from alm_bench.train.objectives import Batch, Objective, load_objective_classes
from alm_bench.train.pass_rates import describe_selection, get_pass_rates, uses_pass_rates
from alm_bench.train.precision import pick_precision
from alm_bench.train.report import TensorBoardWriter, write_report
from alm_bench.train.sampler import StepRows
from alm_bench.train.schedule import GradientClipping, compute_learning_rate
from alm_bench.train.setup import TrainingSetup

Observer = Callable[[dict[str, Any]], None]
"""Called with the log entry of every step."""

FIRST_STEPS_LOGGED = 50
"""Number of steps at the start of a run that are all logged, so that runs on two machines can be compared."""


def _select_trainable(model: nn.Module, prefixes: Sequence[str]) -> list[nn.Parameter]:
    """Freeze all parameters without one of the prefixes. Returns the other parameters. Raises UsageError for a prefix
    that no parameter has."""
    names = [name for name, _ in model.named_parameters()]
    for prefix in prefixes:
        if not any(_has_prefix(name, prefix) for name in names):
            parts = sorted({name.split(".")[0] for name in names})
            raise UsageError(f"train names {prefix!r}, which the network has not; its parts: {', '.join(parts)}")
    chosen = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(_has_prefix(name, prefix) for prefix in prefixes))
        if parameter.requires_grad:
            chosen.append(parameter)
    return chosen


def _has_prefix(name: str, prefix: str) -> bool:
    """Return True if the dotted name `name` equals `prefix` or begins with `prefix` and a dot."""
    return name == prefix or name.startswith(prefix + ".")


def _freezes_encoder(stage: StageConfig) -> bool:
    """Return True if a stage does not train the encoder."""
    return not any(_has_prefix(prefix, "encoder") for prefix in stage.train)


def _build_optimizer(stage: StageConfig, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """Create the optimiser of a stage."""
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    kind = kinds[stage.optimizer]
    betas = (stage.betas[0], stage.betas[1])
    return kind(parameters, lr=stage.lr, betas=betas, weight_decay=stage.weight_decay)


@dataclass(slots=True)
class Stage:
    """A stage that is being trained."""

    number: int
    """Index of the stage."""
    config: StageConfig
    """Settings of the stage."""
    total: int
    """Number of optimiser steps."""
    steps: StepRows
    """Row numbers of each step."""
    data: StageData
    """Data from which batches are built."""
    objective_class: type[Objective]
    """Class of the objective."""
    objective: nn.Module
    """The objective as a module, wrapped by accelerate."""
    unwrapped_objective: Objective
    """The objective without the wrapper."""
    optimizer: Any
    """The optimiser, wrapped by accelerate."""
    parameters: list[nn.Parameter]
    """Trained parameters."""
    clipping: GradientClipping
    """Limit of the gradient norm."""
    average: AveragedModel | None
    """Exponential moving average of the weights, None without one."""


class Trainer:
    """Trainer of a recipe: runs its stages, logs, validates and saves."""

    def __init__(self, config: TrainConfig, prepared: TrainingSetup, observe: Observer, fresh: bool = False) -> None:
        """Create a trainer. `observe` is called with the log entry of every step. `fresh`: start over if a run of this
        name exists; otherwise that run is resumed."""
        self.folder, self.fresh = TrainingFolder(config.out / config.name), fresh
        config = replace(config, precision=pick_precision(config, None if fresh else self.folder.read_precision()))
        self.config, self.prepared, self.observe = config, prepared, observe
        # The objective `tags` does not use the encoder's `head`, and unused parameters must be declared to DDP.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        # Without being told so, several processes on a machine without a GPU would not find each other.
        cpu = pick_device("auto").type == "cpu"
        self.accelerator = Accelerator(cpu=cpu, mixed_precision=config.precision, kwargs_handlers=[unused])
        self.board = TensorBoardWriter(self.folder.path)
        self.model = prepared.model.to(self.accelerator.device)
        if self.accelerator.device.type == "cpu" and config.precision == "bf16":
            # torch's fused attention has a slow backward pass in bf16 on CPUs: half the time of a small model's step.
            self.model.lm.set_attn_implementation("eager")
        if config.gradient_checkpointing:
            self.model.lm.gradient_checkpointing_enable()  # type: ignore[no-untyped-call]
        self.position = Position()
        self.pass_rates = get_pass_rates(prepared.corpus)
        self._encoded = prepared.encoded

    def run(self) -> Path:
        """Train all stages, and return the folder of the last weights. An earlier run of the same config is resumed."""
        with self.board, ExitStack() as resources:
            with self.accelerator.main_process_first():
                if self.accelerator.is_main_process:  # only the main process locks the folder and writes
                    resources.enter_context(self.folder.open(self.config, self.fresh))
            return self._run()

    def _run(self) -> Path:
        """Restore the saved state, train the remaining stages, and write the last weights and the report."""
        tensors: dict[str, Any] | None = None
        set_seed(self.config.seed)
        if (saved := self.folder.load_state()) is not None:
            self.position, tensors = saved
            with translate_state_errors(self.folder.path):  # also if all stages are done: `last` is written again
                self.model.load_state_dict(tensors["model"])
        if self.accelerator.is_main_process:
            self.folder.truncate_log(self.position)
            self.folder.save_network_config(self.model.config, self.prepared.tokenizer)
            write_held_out_questions(self.prepared.holdouts, self.folder.path)
        for number in range(self.position.stage, len(self.config.stage)):
            try:
                self._run_stage(number, tensors)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise AlmBenchError(
                    f"out of memory at step {self.position.step} of stage {self.config.stage[number].name}: lower its "
                    "batch, or raise accumulate (the same step in smaller parts), or set gradient_checkpointing; the "
                    "run resumes from its last saved step"
                ) from error
            tensors = None
        self._save_weights(LAST, self.model)
        if self.accelerator.is_main_process:
            write_report(
                self.folder.path, self.config, merge_lora(self.model), self.prepared.corpus, self.folder.read_log()
            )
        return self.folder.path / LAST

    def _run_stage(self, number: int, tensors: dict[str, Any] | None) -> None:
        """Train a stage from the current position on. `tensors`: the saved state if the run is resumed in this
        stage."""
        stage = self.set_up_stage(number)
        if tensors is not None:
            with translate_state_errors(self.folder.path):
                self._restore(stage, tensors)
        started, done, unsaved = time.perf_counter(), 0, False
        for step in range(self.position.step, stage.total):
            entry = self.step(stage, step)
            if number == 0 and step == 0 and self.prepared.holdouts:
                entry["holdout"] = [holdout.as_json() for holdout in self.prepared.holdouts]
            if step == 0 and uses_pass_rates(stage.config):
                rates = self.pass_rates[list_rows(self.prepared.corpus, stage.config)]
                entry["selection"] = describe_selection(rates, stage.config)
            done += stage.config.batch
            self.position.step = step + 1
            entry["samples_per_second"] = round(done / (time.perf_counter() - started), 2)
            last = step + 1 == stage.total
            if self._is_due(self.config.validate_every, step) or (last and self.prepared.validation is not None):
                entry |= self._validate(stage)
            if self._is_due(self.config.answer_every, step):
                entry |= self._compute_objective_metrics(stage)
            logged = self._is_due(self.config.log_every, step) or last or (number == 0 and step < FIRST_STEPS_LOGGED)
            if self.accelerator.is_main_process and logged:
                self.folder.log(entry)
                self.board.add(entry)
            self.observe({**entry, "total": stage.total})
            unsaved = unsaved or self._is_due(self.config.save_every, step)
            if unsaved and not last and stage.unwrapped_objective.can_resume_after(step):
                self._save(stage)
                unsaved = False
        self.model.load_state_dict(self._get_evaluated_model(stage).state_dict())
        self.position = Position(number + 1, 0, self.position.best)
        self._save(None)

    def _restore(self, stage: Stage, tensors: Mapping[str, Any]) -> None:
        """Restore the state of a stage other than the network's weights: optimiser, gradient norms, moving average,
        loss scaler and random generators."""
        if self.position.step > 0:
            stage.optimizer.load_state_dict(tensors["optimizer"])
            stage.clipping.norms = list(tensors["norms"])
            if stage.average is not None:
                stage.average.load_state_dict(tensors["average"])
            stage.unwrapped_objective.set_state(tensors.get("objective", {}))
        if self.accelerator.scaler is not None and tensors.get("scaler"):
            self.accelerator.scaler.load_state_dict(tensors["scaler"])
        restore_random_state(tensors["random"])

    @staticmethod
    def _is_due(interval: int, step: int) -> bool:
        """Return True if `step` (from 0) completes a multiple of `interval` steps."""
        return interval > 0 and (step + 1) % interval == 0

    def set_up_stage(self, number: int) -> Stage:
        """Set up the stage with index `number`."""
        config, prepared = self.config.stage[number], self.prepared
        corpus = prepared.corpus
        objective_class = load_objective_classes().get(config.objective)
        adapter_names = list_lora_parameters(self.model) if objective_class.trains_lora else []
        parameters = _select_trainable(self.model, [*config.train, *adapter_names])
        self._set_train_mode(config)
        encoded = self._encode_clips_once(config, objective_class)
        steps = objective_class.rows(corpus, config, prepared.lengths, self.config.seed + number)
        total = config.steps if config.steps is not None else (config.epochs or 1) * steps.per_epoch
        data = StageData(corpus, self.model.config, prepared.tokenizer, prepared.protocol, config, encoded)
        # Otherwise the accelerator would, in fp16, unscale the gradients once more for the previous stage's optimiser.
        self.accelerator.free_memory()
        unwrapped = objective_class(self.model)
        unwrapped.set_up(data, self.config.seed + number)
        objective, optimizer = self.accelerator.prepare(unwrapped, _build_optimizer(config, parameters))
        average = None
        if self.config.ema:
            step = get_ema_multi_avg_fn(self.config.ema)  # type: ignore[no-untyped-call]
            average = AveragedModel(self.model, multi_avg_fn=step)
        clipping = GradientClipping(config.clip)
        return Stage(
            number,
            config,
            total,
            steps,
            data,
            objective_class,
            objective,
            unwrapped,
            optimizer,
            parameters,
            clipping,
            average,
        )

    def _encode_clips_once(self, config: StageConfig, objective_class: type[Objective]) -> EncoderOutput | None:
        """Return the outputs of a frozen encoder for all clips, cached for later stages. Returns None if the encoder is
        trained, if clips change from step to step, or if the objective does not use encoder outputs."""
        if not _freezes_encoder(config):
            self._encoded.clear()
        clips_change = config.spec_augment or config.random_crop
        if not _freezes_encoder(config) or clips_change or not objective_class.takes_encoded:
            return None
        if config.silent not in self._encoded:
            encoder, corpus = self.model.encoder, self.prepared.corpus
            self._encoded[config.silent] = encode_clips(
                encoder, corpus.logmels, len(corpus.clips), 64, self._build_autocast(), config.silent
            )
        return self._encoded[config.silent]

    def _get_evaluated_model(self, stage: Stage) -> Mellow:
        """Return the network that is validated and saved at the end of a stage: the moving average if there is one,
        else the trained network."""
        return self.model if stage.average is None else cast(Mellow, stage.average.module)

    def _build_autocast(self) -> torch.autocast:
        """Return the autocast context of the run's precision."""
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "no": torch.bfloat16}
        return torch.autocast(
            self.accelerator.device.type, kinds[self.config.precision], enabled=self.config.precision != "no"
        )

    def build_micro_batches(self, stage: Stage, step: int) -> list[Batch]:
        """Return the micro-batches of this process's share of the rows of a step: at most as many as the stage's
        setting `accumulate`, each already processed by `Objective.complete`."""
        rows = stage.steps[step]
        own_rows = rows[self.accelerator.process_index :: self.accelerator.num_processes]
        parts = [part for part in np.array_split(own_rows, stage.config.accumulate) if len(part)]
        batches = [stage.objective_class.collate(stage.data, part.tolist(), step) for part in parts]
        autocast = self._build_autocast()
        return [
            stage.unwrapped_objective.complete(batch.to(self.accelerator.device), step, autocast) for batch in batches
        ]

    def step(self, stage: Stage, step: int) -> dict[str, Any]:
        """Take one optimiser step. Returns its log entry. Raises AlmBenchError if the loss is not finite."""
        learning = compute_learning_rate(stage.config, step, stage.total, stage.steps.per_epoch)
        for group in stage.optimizer.param_groups:
            group["lr"] = learning
        batches = self.build_micro_batches(stage, step)
        units = self._sum_over_processes(float(sum(batch.units for batch in batches)))
        summed = 0.0
        for last, batch in _mark_last(batches):
            with self.accelerator.accumulate(stage.objective) if last else self.accelerator.no_sync(stage.objective):
                loss = stage.objective(batch)
                summed += float(loss.detach())
                # Gradients are averaged over processes. With this factor, the step's loss is the mean over all units.
                self.accelerator.backward(loss * (self.accelerator.num_processes / units))
        value = self._sum_over_processes(summed) / units
        if not math.isfinite(value):
            rows = stage.steps[step].tolist()
            self.folder.log({"stage": stage.number, "step": step, "loss": None, "rows": rows})
            raise AlmBenchError(
                f"the loss is {value} at step {step} of stage {stage.config.name}; its rows are in {self.folder.path}"
                "/log.jsonl: lower the learning rate or look at them"
            )
        norm = float(self.accelerator.clip_grad_norm_(stage.parameters, stage.clipping.limit))
        stage.clipping.record_norm(norm)
        stage.optimizer.step()
        stage.optimizer.zero_grad()
        if stage.average is not None:
            stage.average.update_parameters(self.model)
        return {
            "stage": stage.number,
            "name": stage.config.name,
            "step": step,
            "loss": value,
            "lr": learning,
            "norm": norm,
            **self._average_metrics(stage),
            **self._measure_pass_rate(stage, step),
        }

    def _average_metrics(self, stage: Stage) -> dict[str, float]:
        """Return the metrics of the objective in this step, averaged over all processes."""
        return {
            name: self._sum_over_processes(total) / max(1.0, self._sum_over_processes(count))
            for name, (total, count) in sorted(stage.unwrapped_objective.pop_metrics().items())
        }

    def _measure_pass_rate(self, stage: Stage, step: int) -> dict[str, Any]:
        """Return the log entry with the mean measured pass rate of a step's rows; empty if they have none, or if the
        objective trains on something else than rows."""
        if stage.objective_class.count(self.prepared.corpus) != len(self.pass_rates):
            return {}
        mean = float(self.pass_rates[stage.steps[step]].mean())
        return {} if math.isnan(mean) else {"pass_rate": round(mean, 4)}

    def _sum_over_processes(self, value: float) -> float:
        """Return the sum of `value` over all processes."""
        if self.accelerator.num_processes == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.accelerator.device)
        return float(self.accelerator.reduce(tensor, "sum"))

    @torch.no_grad()
    def _validate(self, stage: Stage) -> dict[str, Any]:
        """Return the log entry with the mean loss over the validation rows, with the stage's objective. In the last
        stage, the weights with the lowest loss are saved as `best`."""
        corpus = self.prepared.validation
        if corpus is None:
            return {}
        data = self.load_validation_data(corpus, stage.config)
        model = self._get_evaluated_model(stage).eval()
        objective = stage.objective_class(model)
        objective.set_up(data, self.config.seed)
        own_rows = range(
            self.accelerator.process_index, stage.objective_class.count(corpus), self.accelerator.num_processes
        )
        summed, units = 0.0, 0.0
        for start in range(0, len(own_rows), 64):
            batch = stage.objective_class.collate(data, list(own_rows[start : start + 64]), 0)
            with self._build_autocast():
                summed += float(objective(batch.to(self.accelerator.device)))
            units += batch.units
        self._set_train_mode(stage.config)
        value = self._sum_over_processes(summed) / self._sum_over_processes(units)
        is_best = stage.number + 1 == len(self.config.stage) and (
            self.position.best is None or value < self.position.best
        )
        if is_best:
            self.position.best = value
            self._save_weights(BEST, model)
        return {"validation_loss": value}

    def _set_train_mode(self, config: StageConfig) -> None:
        """Set the network to training mode, but a frozen encoder to evaluation mode."""
        self.model.train()
        if _freezes_encoder(config):
            self.model.encoder.eval()

    def load_validation_data(self, corpus: Corpus, config: StageConfig) -> StageData:
        """Return the validation data for a stage: with the stage's settings, but without random crops and masks."""
        plain = replace(config, spec_augment=False, random_crop=False)
        return StageData(corpus, self.model.config, self.prepared.tokenizer, self.prepared.protocol, plain)

    @torch.no_grad()
    def _compute_objective_metrics(self, stage: Stage) -> Mapping[str, Any]:
        """Return the additional metrics of the objective on validation rows, such as the share of exact answers."""
        corpus = self.prepared.validation
        if corpus is None or not self.accelerator.is_main_process:
            return {}
        objective = stage.objective_class(self._get_evaluated_model(stage)).eval()
        data = self.load_validation_data(corpus, stage.config)
        objective.set_up(data, self.config.seed)
        measured = objective.measure(data, self.config.answer_rows, self._build_autocast())
        self._set_train_mode(stage.config)
        return measured

    def _save(self, stage: Stage | None) -> None:
        """Save the state of the run. `stage`: the current stage, None between stages."""
        if not self.accelerator.is_main_process:
            return
        tensors: dict[str, Any] = {"model": self.model.state_dict(), "random": get_random_state()}
        if self.accelerator.scaler is not None:  # fp16: the loss scale is kept from stage to stage
            tensors["scaler"] = self.accelerator.scaler.state_dict()
        if stage is not None:
            tensors |= {"optimizer": stage.optimizer.state_dict(), "norms": stage.clipping.norms}
            tensors |= {"objective": stage.unwrapped_objective.get_state()}
            tensors |= {} if stage.average is None else {"average": stage.average.state_dict()}
        self.folder.save(self.position, tensors)

    def _save_weights(self, name: str, model: Mellow) -> None:
        """Save weights as the Mellow folder `name` of the run."""
        if self.accelerator.is_main_process:
            save_folder(self.folder.path / name, merge_lora(model), self.prepared.tokenizer)


def _mark_last(batches: Sequence[Batch]) -> Iterator[tuple[bool, Batch]]:
    """Yield a pair for each batch: True if it is the last one, and the batch."""
    for place, batch in enumerate(batches):
        yield place + 1 == len(batches), batch
