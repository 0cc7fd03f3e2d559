"""Train the encoder of the text-similarity reward.

Reads    no data: captions are made up      Writes   nothing: returns the model      Needs   a minute on two cores

A tiny BERT, trained on what BERTScore asks of it: by greedy matching of its token vectors, a caption must be closest to
the sentence that says the same, and a caption with the right animal closer than one with nothing right.
"""

# B sentence pairs · L R tokens of the two sentences · D vector width
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import BertConfig, BertModel, BertTokenizer

from components.policy.tiny.activities import ACTIVITIES
from components.policy.tiny.animals import ANIMALS, Subject
from components.policy.tiny.captions import caption
from components.policy.tiny.optimising import adamw
from components.policy.tiny.tokenizer import bert_tokenizer

LAYERS = 2
"""What `bert_score` calls num_layers: the scores are taken from the last."""
BATCH = 48
TEMPERATURE = 0.05
REFERENCE = "the image contains {}"
TEMPLATES = ("{}", "{}", REFERENCE, REFERENCE, "a picture of {}", "there is {} in the image")


def untrained_encoder(tokenizer: BertTokenizer) -> BertModel:
    """Two layers, 64 wide (0.1 M parameters)."""
    return BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=LAYERS, num_attention_heads=4,
            intermediate_size=128, max_position_embeddings=64, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


def train_text_encoder(*, steps: int, seed: int, device: str = "cpu") -> tuple[BertModel, BertTokenizer]:
    """Pairs that say the same are drawn together, others apart by what they do not share."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = bert_tokenizer()
    model = untrained_encoder(tokenizer).to(device).train()
    optimiser, schedule = adamw(model.parameters(), steps, 1e-3)
    bar = tqdm(range(steps), desc="text encoder", mininterval=5)
    for _ in bar:
        subjects = _batch(rng)
        said, meant = ([TEMPLATES[rng.integers(len(TEMPLATES))].format(caption(s)) for s in subjects] for _ in range(2))
        recall_BB = greedy_recall(*_vectors(model, tokenizer, said), *_vectors(model, tokenizer, meant))
        wanted_BB = torch.from_numpy(shared_meaning(subjects)).to(device)
        target_BB = functional.normalize(wanted_BB**4, p=1, dim=1)
        contrast = -(target_BB * (recall_BB / TEMPERATURE).log_softmax(1)).sum(1).mean()
        loss = contrast + 4 * functional.mse_loss(recall_BB, wanted_BB)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    return model.eval(), tokenizer


def _batch(rng: np.random.Generator) -> list[Subject]:
    """Few animals and activities, so that many pairs share one and differ in the other."""
    animals = rng.choice(ANIMALS, size=12, replace=False)
    doing = [None, None, *ACTIVITIES]
    return [Subject(str(animals[rng.integers(12)]), doing[rng.integers(len(doing))]) for _ in range(BATCH)]


def shared_meaning(subjects: list[Subject]) -> np.ndarray:
    """The similarity wanted of each pair, [B, B] in [0, 1]: the animal counts for 0.5, the activity for 0.3.

    >>> first = shared_meaning([Subject("cat"), Subject("cat", "riding a bike"), Subject("dog")])[0]
    >>> [f"{similarity:.1f}" for similarity in first]
    ['1.0', '0.7', '0.5']
    """
    animals = np.array([s.animal for s in subjects])
    doing = np.array([s.activity or "" for s in subjects])
    same_animal, same_activity = animals[:, None] == animals, doing[:, None] == doing
    shared_BB: np.ndarray = (0.2 + 0.5 * same_animal + 0.3 * same_activity).astype(np.float32)
    return shared_BB


def _vectors(model: BertModel, tokenizer: BertTokenizer, sentences: list[str]) -> tuple[Tensor, Tensor]:
    """Unit vectors [B, L, D] and a mask [B, L] of the tokens that count: not the specials, not the padding."""
    tokens = tokenizer(sentences, padding=True, return_tensors="pt").to(model.device)
    vectors = functional.normalize(model(**tokens).last_hidden_state, dim=-1)
    special = (tokens.input_ids == tokenizer.cls_token_id) | (tokens.input_ids == tokenizer.sep_token_id)
    return vectors, tokens.attention_mask.bool() & ~special


def greedy_recall(said_BLD: Tensor, said_BL: Tensor, meant_BRD: Tensor, meant_BR: Tensor) -> Tensor:
    """BERTScore's recall of every pair [B said, B meant]: each token meant is matched with the nearest token said."""
    cosine_SLMR = torch.einsum("sld,mrd->slmr", said_BLD, meant_BRD)
    nearest_SMR = cosine_SLMR.masked_fill(~said_BL[:, :, None, None], -1).amax(1)
    weight_MR = meant_BR.float()
    return (nearest_SMR * weight_MR).sum(-1) / weight_MR.sum(-1)
