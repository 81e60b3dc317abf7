"""Objective `grpo`: group relative policy optimisation (arXiv 2402.03300). The network draws several answers to each
prompt and learns the answers with higher rewards than the others of their group."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from alm_bench.core import Decoding, UsageError
from alm_bench.train.batches import Corpus, StageData
from alm_bench.train.changed_clips import load_changed_clips
from alm_bench.train.config import StageConfig
from alm_bench.train.grpo_batch import Draws, GrpoBatch, build_token_batch
from alm_bench.train.grpo_config import GrpoConfig
from alm_bench.train.grpo_losses import (
    compute_advantages,
    compute_divergences,
    compute_loss,
    count_clipped_tokens,
)
from alm_bench.train.log_probabilities import TokenLogProbs, compute_log_probs
from alm_bench.train.lora import merge_lora
from alm_bench.train.mixture import sample_mixture
from alm_bench.train.objectives.base import Objective
from alm_bench.train.prompts import PromptBatch, build_contexts, collate_prompts
from alm_bench.train.reference import copy_trained_parameters, use_weights
from alm_bench.train.rewards import (
    Question,
    Reward,
    build_question,
    combine_rewards,
    create_reward,
    create_rewards,
    describe_reward_versions,
    find_reward_problem,
)
from alm_bench.train.rewards.grounded import compute_grounding_weights
from alm_bench.train.rollouts import draw_groups, list_token_ids
from alm_bench.train.sampler import RepeatedSteps, StepRows


class Grpo(Objective):
    """Group relative policy optimisation with the settings of the table `[stage.grpo]`.

    In validation, the loss is minus the mean reward of the answers by greedy decoding.
    """

    name: ClassVar = "grpo"
    title: ClassVar = "Policy gradient of rewards of drawn answers, relative to the other answers of their group."
    takes_encoded: ClassVar = True
    trains_lora: ClassVar = True

    data: StageData
    settings: GrpoConfig

    @classmethod
    def problem(cls, stage: StageConfig) -> str | None:
        """Return the reason why the rewards of a stage cannot be created, None if they can."""
        return find_reward_problem(get_grpo_settings(stage))

    @classmethod
    def describe_plugins(cls, stage: StageConfig) -> str:
        """Return the names and versions of the stage's rewards."""
        return describe_reward_versions(get_grpo_settings(stage))

    @classmethod
    def rows(cls, corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> StepRows:
        """Return the row numbers of every step. Steps that use the same draws have the same rows."""
        if not any(corpus.sizes):
            raise UsageError(f"stage {stage.name}: its data has tags only, and no rows to answer")
        settings = get_grpo_settings(stage)
        if settings.updates == 1:
            return sample_mixture(corpus, stage, lengths, seed)
        rollouts = None if stage.steps is None else -(-stage.steps // settings.updates)
        once = replace(stage, steps=rollouts, grpo=replace(settings, updates=1))
        return RepeatedSteps(sample_mixture(corpus, once, lengths, seed), settings.updates)

    @classmethod
    def count(cls, corpus: Corpus) -> int:
        """Return the number of training rows of all sources."""
        return sum(corpus.sizes)

    @classmethod
    def collate(cls, data: StageData, rows: Sequence[int], step: int) -> GrpoBatch:
        settings = get_grpo_settings(data.stage)
        rollout = step // settings.updates
        texts = [source.paraphrase_row(index, rollout) for source, index in map(data.corpus.locate_row, rows)]
        questions = [build_question(prompt, answer) for prompt, answer in texts]
        prompts = [
            format_prompt(settings.prompt, prompt, question)
            for (prompt, _), question in zip(texts, questions, strict=True)
        ]
        batch = GrpoBatch(
            **collate_prompts(data, rows, rollout, prompts),
            rows=[int(row) for row in rows],
            questions=questions,
            kind=settings.loss,
        )
        if settings.grounded is None:
            return batch
        return replace(batch, **load_changed_clips(data, settings.grounded.clip, batch.rows, batch.second, rollout))

    def set_up(self, data: StageData, seed: int) -> None:
        """Create the rewards of a stage, and copy the reference weights if the loss uses them."""
        self.data, self.settings, self.seed = data, get_grpo_settings(data.stage), seed
        self.rewards = prepare_rewards(self.settings, data.corpus)
        self.grounded = create_reward("grounded")
        self.reference = copy_trained_parameters(self.model) if self.settings.beta else {}
        self._drawn: dict[tuple[int, ...], Draws] = {}
        self._drawn_at = -1
        self._sums: dict[str, tuple[float, int]] = {}

    def get_state(self) -> dict[str, Any]:
        """Return the reference weights."""
        return {"reference": self.reference}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the reference weights."""
        for name, tensor in self.reference.items():
            tensor.copy_(state["reference"][name])

    def can_resume_after(self, step: int) -> bool:
        """Return True if this step is the last one that uses its draws."""
        return (step + 1) % self.settings.updates == 0

    def pop_metrics(self) -> dict[str, tuple[float, float]]:
        """Return the sum of each metric of the current step and its number of units, and reset them."""
        sums: dict[str, tuple[float, float]] = {**self._sums}
        self._sums = {}
        return sums

    def complete(self, batch: GrpoBatch, step: int, autocast: torch.autocast) -> GrpoBatch:
        """Return the batch with answers that are drawn to its prompts, their advantages and, if the loss needs them,
        the log-probabilities of their tokens under the weights that drew them and under the reference weights. Further
        updates on the same rows get the same draws."""
        every = self.settings.reference_every
        if self.reference and every and step and step % every == 0:
            self.reference = copy_trained_parameters(self.model)
        rollout, key = step // self.settings.updates, tuple(batch.rows)
        if rollout != self._drawn_at:
            self._drawn, self._drawn_at = {}, rollout
        if key not in self._drawn:
            with torch.no_grad(), autocast:
                self._drawn[key] = self._draw_batch_answers(batch, rollout)
        draws = self._drawn[key]
        for name, (total, count) in draws.metrics.items():
            self._add_metric(name, total, count)
        return replace(batch, draws=draws)

    def forward(self, batch: GrpoBatch) -> Tensor:
        self._switch_off_dropout()
        if batch.draws is None:
            return self._score_greedy_answers(batch)
        draws, settings = batch.draws, self.settings
        log_probs = self._compute_log_probs(batch, draws)
        tokens = build_token_batch(draws, log_probs.values.device)
        own = draws.unchanged_clip_token_count
        self._add_metric("entropy", float(log_probs.entropies[:own].sum()), own)
        with torch.no_grad():
            if tokens.reference is not None:
                divergences = compute_divergences(log_probs.values, tokens.reference)
                self._add_metric("kl", float(divergences[:own].sum()), own)
            if settings.updates > 1:
                self._add_metric(
                    "clipped", count_clipped_tokens(log_probs.values, tokens, settings), len(tokens.owners)
                )
        return compute_loss(log_probs.values, tokens, settings)

    def measure(self, data: StageData, limit: int, autocast: torch.autocast) -> Mapping[str, Any]:
        """Return, for each part of the data, the share of rows whose answer by greedy decoding is right, as the reward
        `parsed` grades it."""
        right: dict[str, list[bool]] = defaultdict(list)
        parsed = create_reward("parsed")
        rows = range(min(limit, sum(data.corpus.sizes)))
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            batch = self.collate(data, part, 0).to(self.model.device)
            with autocast:
                texts = self._answer_greedily(batch)
            for number, question, text in zip(part, batch.questions, texts, strict=True):
                source, index = data.corpus.locate_row(number)
                right[source.rows[index].subtype].append(parsed.compute(question, [text])[0] == 1)
        return {"answered": {part: round(sum(each) / len(each), 4) for part, each in sorted(right.items())}}

    # --- draws ---

    def _draw_batch_answers(self, batch: GrpoBatch, rollout: int) -> Draws:
        """Draw answers to the prompts of a batch, and return them with their advantages. Each answer is seeded by the
        stage's seed, `rollout` (number of the draw of the step's rows), the row and the answer's index."""
        self._switch_off_dropout()
        settings = self.settings
        before, self._sums = self._sums, {}
        contexts = build_contexts(self.model, batch)
        items = [[f"{rollout}/{row}/{draw}" for draw in range(settings.group)] for row in batch.rows]
        if (grounded := settings.grounded) is not None:
            contexts += self._build_changed_contexts(batch)
            items += [[f"{rollout}/{row}/changed/{draw}" for draw in range(grounded.draws)] for row in batch.rows]
        decoding = Decoding("nucleus", settings.max_new_tokens, settings.top_p, settings.temperature, self.seed)
        stop = self.data.config.prompt.stop
        drawn = draw_groups(merge_lora(self.model), contexts, items, decoding)
        answers = [[list_token_ids(answer, stop) for answer in group] for group in drawn]
        texts = [[self._decode(answer.tokens) for answer in group] for group in drawn]
        count = len(batch.rows)
        self._add_metric("answer_tokens", sum(len(a) for g in answers[:count] for a in g), count * settings.group)
        self._add_metric("truncated", sum(a.truncated for g in drawn[:count] for a in g), count * settings.group)
        advantages = self._compute_group_advantages(batch.questions, texts[:count], texts[count:])
        if grounded is not None and grounded.form == "weight":  # these draws have served their purpose
            answers = answers[:count]
        draws = Draws(answers, torch.cat(advantages), count, metrics=self._sums)
        self._sums = before
        self._set_old_and_reference_log_probs(batch, draws)
        return draws

    def _compute_group_advantages(
        self, questions: Sequence[Question], texts: Sequence[Sequence[str]], changed_texts: Sequence[Sequence[str]]
    ) -> list[Tensor]:
        """Reward all answers, record the rewards as metrics, and return the advantages of each group that is trained,
        one tensor (answers,) per group, groups on unchanged clips first. `texts`: answers to each question on its
        unchanged clips. `changed_texts`: answers to each question on changed clips, empty without them."""
        settings, grounded, advantages = self.settings, self.settings.grounded, []
        for number, (question, answers) in enumerate(zip(questions, texts, strict=True)):
            rewards, values = combine_rewards(self.rewards, settings.rewards, question, answers)
            self._add_metric("reward", sum(rewards), len(rewards))
            for name, column in values.items():
                self._add_metric(f"reward_{name}", sum(column), len(column))
            self._add_metric("equal_rewards", float(max(rewards) == min(rewards)), 1)
            found = compute_advantages(torch.tensor([rewards]), settings.loss)[0]
            if grounded is not None:
                weights = torch.tensor(compute_grounding_weights(question, answers, changed_texts[number]))
                self._add_metric("agreement_with_changed", float((1 - weights).sum()), len(answers))
                found = found * weights if grounded.form != "group" else found
            advantages.append(found)
        for question, answers in zip(questions, changed_texts, strict=False):
            assert grounded is not None
            rewards = list(self.grounded.compute(question, answers))
            self._add_metric("changed_reward", sum(rewards), len(rewards))
            if grounded.form != "weight":
                advantages.append(compute_advantages(torch.tensor([rewards]), settings.loss)[0] * grounded.strength)
        return advantages

    def _set_old_and_reference_log_probs(self, batch: GrpoBatch, draws: Draws) -> None:
        """Set `draws.old` if there are several updates per draw, and `draws.reference` if there are reference weights.
        Both are log-probabilities that later updates do not change."""
        if self.settings.updates > 1:
            draws.old = self._compute_log_probs(batch, draws).values
        if self.reference:
            with use_weights(self.model, self.reference):
                draws.reference = self._compute_log_probs(batch, draws).values

    def _compute_log_probs(self, batch: GrpoBatch, draws: Draws) -> TokenLogProbs:
        """Return the log-probabilities of all drawn tokens under the network's weights."""
        contexts = build_contexts(self.model, batch)
        if len(draws.answers) > draws.row_count:
            contexts += self._build_changed_contexts(batch)
        return compute_log_probs(self.model, contexts, draws.answers, self.settings.temperature)

    def _build_changed_contexts(self, batch: GrpoBatch) -> list[Tensor]:
        """Return, for each row, the embeddings of its changed clips and its prompt, (n, D), which precede the answers.
        They have no gradient with respect to the encoder."""
        encoded = batch.changed_encoded
        if encoded is None:
            assert batch.changed_logmel is not None, "a batch has log-mels or encoded clips"
            with torch.no_grad():
                encoded = self.model.encoder.encode(batch.changed_logmel)
        changed = PromptBatch(
            encoded=encoded, first=batch.changed_first, second=batch.changed_second, prompts=batch.prompts
        )
        return build_contexts(self.model, changed)

    # --- greedy answers ---

    def _score_greedy_answers(self, batch: GrpoBatch) -> Tensor:
        """Return minus the sum of the rewards of the greedy answers to the prompts of a batch."""
        texts = self._answer_greedily(batch)
        rewards = [
            combine_rewards(self.rewards, self.settings.rewards, question, [text])[0][0]
            for question, text in zip(batch.questions, texts, strict=True)
        ]
        return torch.tensor(-sum(rewards))

    def _answer_greedily(self, batch: GrpoBatch) -> list[str]:
        """Return the text of the greedy answer to each prompt of a batch."""
        contexts = build_contexts(self.model, batch)
        decoding = Decoding("greedy", self.settings.max_new_tokens)
        drawn = draw_groups(merge_lora(self.model), contexts, [[str(row)] for row in batch.rows], decoding)
        return [self._decode(answer.tokens) for (answer,) in drawn]

    def _decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids."""
        return str(self.data.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def _add_metric(self, name: str, total: float, count: int) -> None:
        """Add `total`, a sum over `count` units, to the sums of the metric `name` in the current step."""
        before = self._sums.get(name, (0.0, 0))
        self._sums[name] = (before[0] + total, before[1] + count)

    def _switch_off_dropout(self) -> None:
        """Switch off dropout, which would change the probability ratio at random. The model is set to evaluation mode,
        but a language model with gradient checkpointing must be in training mode: only its dropout layers are set."""
        self.model.eval()
        if any(getattr(module, "gradient_checkpointing", False) for module in self.model.lm.modules()):
            self.model.lm.train()
            for module in self.model.lm.modules():
                if isinstance(module, nn.Dropout):
                    module.eval()


def get_grpo_settings(stage: StageConfig) -> GrpoConfig:
    """Return the settings of a stage with this objective."""
    return stage.grpo or GrpoConfig()


def format_prompt(template: str, prompt: str, question: Question) -> str:
    """Return the prompt of a row by the template of a recipe; the row's own prompt if the template is empty.

    `prompt`: prompt as in the data, with its options.
    """
    if not template:
        return prompt
    lettered = " ".join(f"{letter}) {text}" for letter, text in zip(ascii_lowercase, question.choices, strict=False))
    return template.format(
        prompt=prompt, question=question.text, options=str(list(question.choices)), lettered=lettered
    )


def prepare_rewards(settings: GrpoConfig, corpus: Corpus) -> dict[str, Reward]:
    """Create the rewards of a stage, and prepare those that need all questions of the stage."""
    rewards = create_rewards(settings)
    if any(type(reward).prepare is not Reward.prepare for reward in rewards.values()):
        questions = [
            build_question(*source.paraphrase_row(index, 0))
            for source in corpus.sources
            for index in range(len(source.rows))
        ]
        for reward in rewards.values():
            reward.prepare(questions)
    return rewards


OBJECTIVES = (Grpo,)
