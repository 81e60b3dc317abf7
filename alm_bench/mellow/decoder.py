"""Language model for inference: a forward pass that writes keys and values into a preallocated cache.

The weights come from a model of transformers, which is used in training. This module computes the same function without
the parts that only training needs. In the cache, a token's column is its position: sequences are not padded on the
left. Columns after the end of a sequence may hold invalid values; these are masked, and overwritten by later tokens.
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
    """Keys and values of several sequences: two tensors of shape (layers, rows, key-value heads, columns, head width).
    A row holds one sequence, a column one position."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values

    @property
    def columns(self) -> int:
        """Number of columns, one per token."""
        return self.keys.shape[3]

    @property
    def nbytes(self) -> int:
        """Size of both tensors in bytes."""
        return self.keys.nbytes + self.values.nbytes

    def slice_rows(self, first: int, last: int, columns: int | None = None) -> "KVCache":
        """Return a view of the rows from `first` to before `last`, and of their first `columns` columns (default:
        all)."""
        return KVCache(self.keys[:, first:last, :, :columns], self.values[:, first:last, :, :columns])

    def copy(self) -> "KVCache":
        """Return a copy in new memory."""
        # keep the keys' memory layout, so that copying them back does not transpose them
        keys = self.keys.transpose(3, 4).clone(memory_format=torch.contiguous_format).transpose(3, 4)
        return KVCache(keys, self.values.clone())

    def expand(self, count: int) -> "KVCache":
        """Return a view of a single row that repeats it `count` times."""
        shape = (-1, count, -1, -1, -1)
        return KVCache(self.keys.expand(shape), self.values.expand(shape))

    def select_rows(self, sources: Sequence[int], first: int, last: int) -> None:
        """Copy the columns from `first` to before `last` of row `sources[i]` into row `i`, for each `i`."""
        rows = torch.tensor(sources, device=self.keys.device)
        for tensor in (self.keys, self.values):
            columns = tensor[:, : len(sources), :, first:last]
            columns.copy_(tensor[:, rows, :, first:last])  # indexing with a tensor makes a copy first

    def write_rows(self, first: int, other: "KVCache") -> None:
        """Copy the rows of `other` into the rows from `first` on. Only as many columns as `other` has are
        overwritten."""
        last, columns = first + other.keys.shape[1], other.columns
        self.keys[:, first:last, :, :columns] = other.keys
        self.values[:, first:last, :, :columns] = other.values

    def write(self, layer: int, start: Tensor | int, keys: Tensor, values: Tensor) -> None:
        """Write the keys and values of one layer, (B, heads, n, width) for all rows, into the n columns from `start`
        on. `start` is one number for all rows, or a tensor (B,) with one per row."""
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
    """A transformer layer without its attention, which `Decoder` computes."""

    @abstractmethod
    def project_qkv(self, x: Tensor, encoding: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Project x (B, n, D) to scaled queries (B, heads, n, width), and to keys and values (B, key-value heads, n,
        width). `encoding`: the position encoding that `Decoder.prepare_input` returned."""

    @abstractmethod
    def compute_output(self, x: Tensor, attended: Tensor) -> Tensor:
        """Return the layer's output (B, n, D). `x` (B, n, D): input of the layer. `attended` (B, n, D): output of its
        attention."""


class Decoder(ABC):
    """A causal language model for inference. It is built from a model of transformers and does not follow later changes
    of its weights."""

    layers: Sequence[Layer]
    """The layers, in order."""
    head: PackedLinear
    """Output layer, from (..., D) to logits over the vocabulary, in float32. In bfloat16, the two largest logits are
    often equal, and the order of tokens in the vocabulary would decide between them."""

    def __init__(self, lm: PreTrainedModel, heads: int, kv_heads: int, width: int) -> None:
        """Read the embeddings of `lm`. `heads` and `kv_heads` are numbers of query and key-value heads, `width` is the
        width of the residual stream. Raises ValueError if `lm` has LoRA adapters that are not merged."""
        if any(".lora_" in name for name, _ in lm.named_parameters()):
            raise ValueError("the language model's adapters are not merged: they would be left out")
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, width // heads
        self.positions: int = lm.config.max_position_embeddings
        self.embeddings: Tensor = lm.get_input_embeddings().weight.detach()  # type: ignore[operator]

    @abstractmethod
    def prepare_input(self, x: Tensor, token_positions: Tensor) -> tuple[Tensor, Any]:
        """Return the first layer's input and the position encoding for all layers. `x` (B, n, D): embedded tokens.
        `token_positions` (1 or B, n): positions of the tokens in the sequence, from 0."""

    @abstractmethod
    def normalise_output(self, x: Tensor) -> Tensor:
        """Apply the last normalisation, in float32, to the output of the last layer."""

    def count_cache_elements(self, rows: int, columns: int) -> int:
        """Return the number of elements of a cache's keys and values, for this number of rows and columns."""
        return 2 * len(self.layers) * rows * self.kv_heads * columns * self.head_width

    def allocate_memory(self, rows: int, columns: int) -> Tensor:
        """Allocate the memory of a cache of this size, as a flat tensor."""
        # Zeros: masked values are multiplied by 0. Uninitialised memory may hold NaN, and 0 * NaN is NaN.
        return self.embeddings.new_zeros(self.count_cache_elements(rows, columns))

    def create_cache(self, rows: int, columns: int, memory: Tensor | None = None) -> KVCache:
        """Create a cache in `memory`, a flat tensor with `count_cache_elements(rows, columns)` elements, all finite.

        Default: new memory.
        """
        shape = (len(self.layers), rows, self.kv_heads, columns, self.head_width)
        flat_keys, flat_values = (self.allocate_memory(rows, columns) if memory is None else memory).chunk(2)
        values = flat_values.view(shape)
        if values.device.type == "cuda":
            return KVCache(flat_keys.view(shape), values)
        # On CPUs, products of queries and keys are twice as fast with keys that are stored transposed.
        return KVCache(flat_keys.view(*shape[:3], shape[4], shape[3]).transpose(3, 4), values)

    def extend(self, x: Tensor, cache: KVCache, start: Tensor | int, last: Tensor | None) -> Tensor | None:
        """Process the embedded tokens x (B, n, D) and write their keys and values into `cache`, from column `start` on.

        `start` is one number for all rows, or a tensor (B,) with one per row. Attention reads all columns of `cache`;
        columns after a token are masked. It is therefore faster to pass a view without unneeded columns. No mask is
        needed if the view ends with the one new token of every row.

        `last` (B, m): indices in 0..n-1 of the tokens whose hidden states are returned, as (B, m, D). If it is None,
        None is returned: only keys and values are computed, for which the last layer's attention and MLP are not
        needed.
        """
        count = x.shape[1]
        first = start if isinstance(start, Tensor) else torch.tensor([start], device=x.device)
        places = first[:, None] + torch.arange(count, device=x.device)
        sees_all = isinstance(start, int) and start == cache.columns - 1
        causal = x.device.type == "cpu" and isinstance(start, int) and start == 0  # columns from `count` on are masked
        mask = None if sees_all or causal else self._build_mask(places, cache.columns, x.dtype)
        x, encoding = self.prepare_input(
            x, places.clamp(max=self.positions - 1)
        )  # padding may exceed the last position
        for number, layer in enumerate(self.layers):
            queries, keys, values = layer.project_qkv(x, encoding)
            cache.write(number, start, keys, values)
            if number == len(self.layers) - 1:
                if last is None:
                    return None
                if last.shape[1] < count:
                    # after the last layer, only these tokens are needed
                    rows = torch.arange(len(x), device=x.device)[:, None]
                    queries, x = queries.transpose(1, 2)[rows, last].transpose(1, 2), x[rows, last]
                    mask, causal = (
                        self._build_mask(places.expand(len(x), -1).gather(1, last), cache.columns, x.dtype),
                        False,
                    )
            read = self.attend_causally if causal else partial(self.attend, mask=mask)
            attended_columns = count if causal else cache.columns
            x = layer.compute_output(
                x,
                read(
                    queries, cache.keys[number, :, :, :attended_columns], cache.values[number, :, :, :attended_columns]
                ),
            )
        return self.normalise_output(x)

    def _build_mask(self, token_positions: Tensor, columns: int, dtype: torch.dtype) -> Tensor:
        """Return the attention mask of tokens at the positions `token_positions` (1 or B, n) of their sequences: -inf
        for cache columns after the token's own, else 0.

        The shape is (1 or B, 1, group * n, columns). The n rows are repeated for each of the `group` query heads that
        share one key-value head.
        """
        unseen = torch.arange(columns, device=token_positions.device) > token_positions[:, :, None]
        mask = torch.zeros(unseen.shape, dtype=dtype, device=token_positions.device).masked_fill_(unseen, float("-inf"))
        return mask.repeat(1, self.heads // self.kv_heads, 1)[:, None]

    def attend_causally(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Compute causal attention on a CPU for tokens that fill the columns 0..n-1. Arguments and result as in
        `attend`.

        torch's fused attention skips masked columns and does not store the attention weights. It is 2.5 times as fast
        as the steps in `attend`, although it needs a contiguous copy of the shared keys for each query head.
        """
        group = self.heads // self.kv_heads
        keys, values = (each.repeat_interleave(group, dim=1) for each in (keys, values))
        attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=1.0)
        return attended.transpose(1, 2).flatten(2)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """Compute attention of queries (B, heads, n, w) to keys and values (B, key-value heads, T, w). Returns (B, n,
        D).

        `mask` (1 or B, 1, group * n, T) is added to the scores, where `group` is the number of query heads per
        key-value head; None if every token attends to all columns. Queries that share a key-value head are concatenated
        along the sequence axis, so that keys are not copied.
        """
        batch, _, count, width = queries.shape
        grouped = queries.reshape(batch, self.kv_heads, -1, width)
        if queries.device.type == "cuda":
            attended = functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask, scale=1.0)
        else:
            # On CPUs, as fast as torch's fused attention with a mask, and faster for a single new token.
            weights = torch.matmul(grouped, keys.transpose(-1, -2))
            weights = (weights if mask is None else weights.add_(mask)).softmax(dim=-1)
            attended = torch.matmul(weights, values)
        return attended.view(batch, self.heads, count, width).transpose(1, 2).reshape(batch, count, -1)


class Llama(Decoder):
    """Decoder for LlamaForCausalLM of transformers, with its default rotary position embedding."""

    def __init__(self, lm: PreTrainedModel) -> None:
        config: Any = lm.config
        super().__init__(lm, config.num_attention_heads, config.num_key_value_heads, config.hidden_size)
        inner: Any = lm.model
        self.layers = [LlamaLayer(layer, self.heads, self.kv_heads) for layer in inner.layers]
        self.norm, self.eps = inner.norm.weight.detach().float(), config.rms_norm_eps
        self.head = PackedLinear(lm.lm_head.weight.float())
        angles = torch.arange(config.max_position_embeddings)[:, None] * inner.rotary_emb.inv_freq.float().cpu()
        cosines, sines = angles.cos(), angles.sin()
        # rotated x = x * [cos, cos] + [second half of x, first half of x] * [-sin, sin]
        rotations = torch.stack([torch.cat([cosines, cosines], dim=1), torch.cat([-sines, sines], dim=1)])
        self.rotations = rotations[:, :, None].to(self.embeddings)

    def prepare_input(self, x: Tensor, token_positions: Tensor) -> tuple[Tensor, Any]:
        return x, self.rotations[:, token_positions]

    def normalise_output(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x.float(), self.norm.shape, self.norm, self.eps)


class LlamaLayer(Layer):
    """A layer of `Llama`."""

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

    def project_qkv(self, x: Tensor, encoding: Any) -> tuple[Tensor, Tensor, Tensor]:
        normed = functional.rms_norm(x, self.before.shape, self.before, self.eps)
        rows = self.qkv(normed).view(*x.shape[:2], -1, encoding.shape[-1])
        turned = rows[:, :, : self.turned]
        turned = torch.addcmul(turned * encoding[0], turned.roll(encoding.shape[-1] // 2, dims=-1), encoding[1])
        queries, keys = turned[:, :, : self.heads] * self.scale, turned[:, :, self.heads :]
        return queries.transpose(1, 2), keys.transpose(1, 2), rows[:, :, self.turned :].transpose(1, 2)

    def compute_output(self, x: Tensor, attended: Tensor) -> Tensor:
        x = self.out.forward_add(attended, x)
        normed = functional.rms_norm(x, self.between.shape, self.between, self.eps)
        return self.down.forward_add(self.up.forward_multiply(normed, self.gate(normed, "silu")), x)


class GPT2(Decoder):
    """Decoder for GPT2LMHeadModel of transformers."""

    def __init__(self, lm: PreTrainedModel) -> None:
        config: Any = lm.config
        super().__init__(lm, config.n_head, config.n_head, config.n_embd)
        inner: Any = lm.transformer
        self.layers = [GPT2Layer(layer, self.heads) for layer in inner.h]
        self.places, self.eps = inner.wpe.weight.detach(), inner.ln_f.eps
        self.norm, self.shift = (each.detach().float() for each in (inner.ln_f.weight, inner.ln_f.bias))
        self.head = PackedLinear(lm.lm_head.weight.float())

    def prepare_input(self, x: Tensor, token_positions: Tensor) -> tuple[Tensor, Any]:
        return x + self.places[token_positions], None

    def normalise_output(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x.float(), self.norm.shape, self.norm, self.shift, self.eps)


class GPT2Layer(Layer):
    """A layer of `GPT2`."""

    def __init__(self, layer: Any, heads: int) -> None:
        self.heads = heads
        self.before, self.between = layer.ln_1, layer.ln_2
        # transformers stores these matrices transposed.
        parts = (layer.attn.c_attn, layer.attn.c_proj, layer.mlp.c_fc, layer.mlp.c_proj)
        self.qkv, self.out, self.wide, self.narrow = (PackedLinear(part.weight.T, part.bias) for part in parts)

    def project_qkv(self, x: Tensor, encoding: Any) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, values = self.qkv(self.before(x)).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return queries * queries.shape[-1] ** -0.5, keys, values

    def compute_output(self, x: Tensor, attended: Tensor) -> Tensor:
        x = self.out.forward_add(attended, x)
        return self.narrow.forward_add(self.wide(self.between(x), "gelu_tanh"), x)


DECODERS: dict[str, type[Llama] | type[GPT2]] = {"llama": Llama, "gpt2": GPT2}
"""Decoder class by kind of language model (`LanguageModelConfig.kind`)."""
