"""The language model as it infers: a forward pass over keys and values that are kept in place.

transformers' modules train and hold the weights; this is the same network without what only training needs, written
for the engine. A row's position is its column: nothing is padded on the left, and what stands behind a row's end is
written over by its next token before it is ever looked at.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from alm_bench.mellow.packed_linear import PackedLinear


class KVCache:
    """Keys and values of several sequences, (layers, rows, key-value heads, columns, head width) each."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values

    @property
    def columns(self) -> int:
        return self.keys.shape[3]

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes

    def rows(self, first: int, last: int, columns: int | None = None) -> "KVCache":
        """A view of some rows, and of their first columns."""
        return KVCache(self.keys[:, first:last, :, :columns], self.values[:, first:last, :, :columns])

    def copy(self) -> "KVCache":
        # keys in the order in which they lie: copying them back is then no rearrangement
        keys = self.keys.transpose(3, 4).clone(memory_format=torch.contiguous_format).transpose(3, 4)
        return KVCache(keys, self.values.clone())

    def write_rows(self, first: int, other: "KVCache") -> None:
        """Write `other` over the first columns of as many rows, from row `first` on."""
        last, columns = first + other.keys.shape[1], other.columns
        self.keys[:, first:last, :, :columns] = other.keys
        self.values[:, first:last, :, :columns] = other.values

    def write(self, layer: int, start: Tensor | int, keys: Tensor, values: Tensor) -> None:
        """Write (B, heads, n, width) of all rows into the columns from `start`, one number or one per row (B,)."""
        count = keys.shape[2]
        if isinstance(start, int):
            self.keys[layer, :, :, start : start + count] = keys
            self.values[layer, :, :, start : start + count] = values
            return
        rows = torch.arange(len(keys), device=keys.device)[:, None]
        columns = start[:, None] + torch.arange(count, device=keys.device)
        self.keys[layer].transpose(1, 2)[rows, columns] = keys.transpose(1, 2)
        self.values[layer].transpose(1, 2)[rows, columns] = values.transpose(1, 2)


class Layer(ABC):
    """A transformer layer without its attention."""

    @abstractmethod
    def project_qkv(self, x: Tensor, place: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, heads, n, width), scaled, and keys and values (B, key-value heads, n, width) of x (B, n, D)."""

    @abstractmethod
    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """The layer's output from its input and what attention mixed, both (B, n, D)."""


class Decoder(ABC):
    """A causal language model of transformers, read once: later changes of its weights do not reach it."""

    layers: Sequence[Layer]
    head: PackedLinear
    """From (..., D) to the logits of every token, float32: in bfloat16 the two largest are often one number, and which
    of two tokens stands first in the vocabulary would decide."""

    def __init__(self, lm: PreTrainedModel, heads: int, kv_heads: int, width: int) -> None:
        if any(".lora_" in name for name, _ in lm.named_parameters()):
            raise ValueError("the language model's adapters are not merged: they would be left out")
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, width // heads
        self.positions: int = lm.config.max_position_embeddings
        self.embeddings: Tensor = lm.get_input_embeddings().weight.detach()  # type: ignore[operator]

    @abstractmethod
    def enter(self, x: Tensor, places: Tensor) -> tuple[Tensor, Any]:
        """Return the first layer's input for embedded tokens x (B, n, D) at `places` (1 or B, n), and the position
        encoding that every layer gets."""

    @abstractmethod
    def leave(self, x: Tensor) -> Tensor:
        """The last norm, in float32 as the head."""

    def elements(self, rows: int, columns: int) -> int:
        """Numbers in the keys and values of so many."""
        return 2 * len(self.layers) * rows * self.kv_heads * columns * self.head_width

    def memory(self, rows: int, columns: int) -> Tensor:
        # Zeros, as what is masked is multiplied by 0, which makes no 0 of a NaN that memory may hold.
        return self.embeddings.new_zeros(self.elements(rows, columns))

    def cache(self, rows: int, columns: int, memory: Tensor | None = None) -> KVCache:
        """Create a cache in `memory`, which has as many elements, all of them finite; default: in new memory."""
        shape = (len(self.layers), rows, self.kv_heads, columns, self.head_width)
        flat_keys, flat_values = (self.memory(rows, columns) if memory is None else memory).chunk(2)
        values = flat_values.view(shape)
        if values.device.type == "cuda":
            return KVCache(flat_keys.view(shape), values)
        # On CPUs a query is multiplied twice as fast with keys that lie side by side, column after column.
        return KVCache(flat_keys.view(*shape[:3], shape[4], shape[3]).transpose(3, 4), values)

    def extend(self, x: Tensor, cache: KVCache, start: Tensor | int, last: Tensor | None) -> Tensor | None:
        """Process embedded tokens x (B, n, D) after the first `start` columns, one number or one per row, of `cache`.

        All columns of `cache` are read, those after a token masked: a view of no more columns than needed takes less
        time, and if it ends with the one new token of every row no mask is needed. Returns the hidden states at the
        positions `last` (B, m) of 0..n-1, as (B, m, D). Returns None if that is None: then only keys and values are
        computed, which the last layer provides without its remaining steps.
        """
        count = x.shape[1]
        first = start if isinstance(start, Tensor) else torch.tensor([start], device=x.device)
        places = first[:, None] + torch.arange(count, device=x.device)
        sees_all = isinstance(start, int) and start == cache.columns - 1
        causal = x.device.type == "cpu" and isinstance(start, int) and start == 0  # columns behind `count` are masked
        mask = None if sees_all or causal else self._mask(places, cache.columns, x.dtype)
        x, told = self.enter(x, places.clamp(max=self.positions - 1))  # padding may stand beyond the last position
        for number, layer in enumerate(self.layers):
            queries, keys, values = layer.project_qkv(x, told)
            cache.write(number, start, keys, values)
            if number == len(self.layers) - 1:
                if last is None:
                    return None
                if last.shape[1] < count:
                    # behind the last layer nothing else is looked at
                    rows = torch.arange(len(x), device=x.device)[:, None]
                    queries, x = queries.transpose(1, 2)[rows, last].transpose(1, 2), x[rows, last]
                    mask, causal = self._mask(places.expand(len(x), -1).gather(1, last), cache.columns, x.dtype), False
            read = self.attend_causally if causal else partial(self.attend, mask=mask)
            seen = count if causal else cache.columns
            x = layer.finish(x, read(queries, cache.keys[number, :, :, :seen], cache.values[number, :, :, :seen]))
        return self.leave(x)

    def _mask(self, places: Tensor, columns: int, dtype: torch.dtype) -> Tensor:
        """Attention mask of the tokens at positions `places` (1 or B, n): 0, and -inf in the columns behind a token.

        (1 or B, 1, group * n, columns): the same n rows for each query head of a group that shares keys.
        """
        unseen = torch.arange(columns, device=places.device) > places[:, :, None]
        mask = torch.zeros(unseen.shape, dtype=dtype, device=places.device).masked_fill_(unseen, float("-inf"))
        return mask.repeat(1, self.heads // self.kv_heads, 1)[:, None]

    def attend_causally(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """`attend` on a CPU, of as many tokens as there are columns, each of which sees those up to its own.

        torch's fused attention skips what a token does not see and stores no weights: 2.5 times as fast as the three
        steps one by one, although it needs the shared keys repeated and side by side.
        """
        group = self.heads // self.kv_heads
        keys, values = (each.repeat_interleave(group, dim=1) for each in (keys, values))
        mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=1.0)
        return mixed.transpose(1, 2).flatten(2)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """(B, heads, n, w) queries, (B, kv_heads, T, w) keys and values, mask (1 or B, 1, group * n, T), None where
        every token sees all columns -> (B, n, D).

        Queries that share keys are put below one another, so that no key is repeated.
        """
        batch, _, count, width = queries.shape
        folded = queries.reshape(batch, self.kv_heads, -1, width)
        if queries.device.type == "cuda":
            mixed = functional.scaled_dot_product_attention(folded, keys, values, attn_mask=mask, scale=1.0)
        else:
            # As fast as torch's fused attention on CPUs with a mask, and faster for the one new token of a step.
            weights = torch.matmul(folded, keys.transpose(-1, -2))
            weights = (weights if mask is None else weights.add_(mask)).softmax(dim=-1)
            mixed = torch.matmul(weights, values)
        return mixed.view(batch, self.heads, count, width).transpose(1, 2).reshape(batch, count, -1)


class Llama(Decoder):
    """transformers' LlamaForCausalLM with its default rotary positions."""

    def __init__(self, lm: PreTrainedModel) -> None:
        config: Any = lm.config
        super().__init__(lm, config.num_attention_heads, config.num_key_value_heads, config.hidden_size)
        inner: Any = lm.model
        self.layers = [LlamaLayer(layer, self.heads, self.kv_heads) for layer in inner.layers]
        self.norm, self.eps = inner.norm.weight.detach().float(), config.rms_norm_eps
        self.head = PackedLinear(lm.lm_head.weight.float())
        angles = torch.arange(config.max_position_embeddings)[:, None] * inner.rotary_emb.inv_freq.float().cpu()
        cosines, sines = angles.cos(), angles.sin()
        # x turned is x * [cos, cos] + [second half, first half] * [-sin, sin]
        turns = torch.stack([torch.cat([cosines, cosines], dim=1), torch.cat([-sines, sines], dim=1)])
        self.turns = turns[:, :, None].to(self.embeddings)

    def enter(self, x: Tensor, places: Tensor) -> tuple[Tensor, Any]:
        return x, self.turns[:, places]

    def leave(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x.float(), self.norm.shape, self.norm, self.eps)


class LlamaLayer(Layer):
    def __init__(self, layer: Any, heads: int, kv_heads: int) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        three = [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
        self.heads, self.turned, self.scale = heads, heads + kv_heads, attention.head_dim**-0.5
        self.qkv, self.out = PackedLinear(torch.cat(three)), PackedLinear(attention.o_proj.weight)
        self.gate, self.up, self.down = (
            PackedLinear(mlp.gate_proj.weight),
            PackedLinear(mlp.up_proj.weight),
            PackedLinear(mlp.down_proj.weight),
        )
        self.before, self.between = (
            layer.input_layernorm.weight.detach(),
            layer.post_attention_layernorm.weight.detach(),
        )
        self.eps = layer.input_layernorm.variance_epsilon

    def project_qkv(self, x: Tensor, place: Any) -> tuple[Tensor, Tensor, Tensor]:
        normed = functional.rms_norm(x, self.before.shape, self.before, self.eps)
        rows = self.qkv(normed).view(*x.shape[:2], -1, place.shape[-1])
        turned = rows[:, :, : self.turned]
        turned = torch.addcmul(turned * place[0], turned.roll(place.shape[-1] // 2, dims=-1), place[1])
        queries, keys = turned[:, :, : self.heads] * self.scale, turned[:, :, self.heads :]
        return queries.transpose(1, 2), keys.transpose(1, 2), rows[:, :, self.turned :].transpose(1, 2)

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = self.out.plus(mixed, x)
        normed = functional.rms_norm(x, self.between.shape, self.between, self.eps)
        return self.down.plus(self.up.times(normed, self.gate(normed, "silu")), x)


class GPT2(Decoder):
    """transformers' GPT2LMHeadModel."""

    def __init__(self, lm: PreTrainedModel) -> None:
        config: Any = lm.config
        super().__init__(lm, config.n_head, config.n_head, config.n_embd)
        inner: Any = lm.transformer
        self.layers = [GPT2Layer(layer, self.heads) for layer in inner.h]
        self.places, self.eps = inner.wpe.weight.detach(), inner.ln_f.eps
        self.norm, self.shift = (each.detach().float() for each in (inner.ln_f.weight, inner.ln_f.bias))
        self.head = PackedLinear(lm.lm_head.weight.float())

    def enter(self, x: Tensor, places: Tensor) -> tuple[Tensor, Any]:
        return x + self.places[places], None

    def leave(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x.float(), self.norm.shape, self.norm, self.shift, self.eps)


class GPT2Layer(Layer):
    def __init__(self, layer: Any, heads: int) -> None:
        self.heads = heads
        self.before, self.between = layer.ln_1, layer.ln_2
        # transformers keeps these matrices the other way round.
        parts = (layer.attn.c_attn, layer.attn.c_proj, layer.mlp.c_fc, layer.mlp.c_proj)
        self.qkv, self.out, self.wide, self.narrow = (PackedLinear(part.weight.T, part.bias) for part in parts)

    def project_qkv(self, x: Tensor, place: Any) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, values = self.qkv(self.before(x)).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return queries * queries.shape[-1] ** -0.5, keys, values

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = self.out.plus(mixed, x)
        return self.narrow.plus(self.wide(self.between(x), "gelu_tanh"), x)


DECODERS: dict[str, type[Llama] | type[GPT2]] = {"llama": Llama, "gpt2": GPT2}
"""By a language model configuration's kind."""
