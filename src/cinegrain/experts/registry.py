"""Registry of experts: built-in ones, plug-ins and presets."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cinegrain.errors import ConfigError
from cinegrain.experts import (
    audio_spectrogram,
    densenet161,
    efficientnet_lite,
    motion_flow,
    musicnn,
    resnet50,
    siglip,
    vggish,
    video_resnet,
    videomae,
    yamnet,
)
from cinegrain.experts.base import ExpertCard, Family, Network
from cinegrain.experts.contract import CheckedNetwork, family_fault
from cinegrain.experts.runtime import Runtime
from cinegrain.plugins import Plugin, load_plugins

PRESETS: dict[str, tuple[str, ...]] = {
    "light": (yamnet.CARD.name, efficientnet_lite.LOCATION.name, motion_flow.CARD.name, efficientnet_lite.IMAGE.name),
    "paper": (
        vggish.CARD.name,
        resnet50.LOCATION.card.name,
        video_resnet.R2PLUS1D.card.name,
        resnet50.IMAGE.card.name,
    ),
    "strong": (
        audio_spectrogram.CARD.name,
        siglip.LOCATION.name,
        videomae.CARD.name,
        siglip.IMAGE.name,
    ),
}
_FAMILIES: tuple[Family, ...] = (
    yamnet.FAMILY,
    efficientnet_lite.FAMILY,
    motion_flow.FAMILY,
    musicnn.FAMILY,
    vggish.FAMILY,
    resnet50.LOCATION.family(),
    densenet161.LOCATION.family(),
    video_resnet.R2PLUS1D.family(),
    video_resnet.R3D.family(),
    resnet50.IMAGE.family(),
    audio_spectrogram.FAMILY,
    siglip.FAMILY,
    videomae.FAMILY,
)
PLUGIN_GROUP = "cinegrain.experts"
OURS = "cinegrain"
DEFAULT_RUNTIME = Runtime()


def _plugins() -> list[Plugin]:
    """Plug-ins of other packages, with faults of those that break the contract."""
    taken = {card.name: OURS for family in _FAMILIES for card in family.cards}
    found = []
    for plugin in load_plugins(PLUGIN_GROUP):
        fault = plugin.fault or family_fault(plugin.found, taken)
        found.append(replace(plugin, fault=fault))
        if not fault:
            taken |= {card.name: plugin.package for card in plugin.found.cards}
    return found


def broken_plugins() -> list[Plugin]:
    """Plug-ins that cannot be used; only what asks for their experts fails."""
    return [plugin for plugin in _plugins() if plugin.fault]


def _all_families() -> list[tuple[Family, str]]:
    """Every usable family, with its package."""
    return [(family, OURS) for family in _FAMILIES] + [(p.found, p.package) for p in _plugins() if not p.fault]


def expert_cards() -> dict[str, ExpertCard]:
    """Every known expert's card by name, built-in and plugged in."""
    return {card.name: card for family, _ in _all_families() for card in family.cards}


def expert_names(preset_or_names: str) -> tuple[str, ...]:
    """Names of a preset or a comma-separated list, unchecked."""
    listed = tuple(name.strip() for name in preset_or_names.split(",") if name.strip())
    return PRESETS.get(preset_or_names.strip(), listed)


def resolve_experts(preset_or_names: str) -> tuple[str, ...]:
    """Expert names from a preset's name or a comma-separated list.

    Raises:
        ConfigError: If a name is unknown.
    """
    names = expert_names(preset_or_names)
    known = expert_cards()
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        broken = [f" Package {p.package!r} is broken: {p.fault}." for p in broken_plugins()]
        raise ConfigError(
            f"Unknown preset or expert {', '.join(unknown) or '(none given)'}. "
            f"Presets: {', '.join(PRESETS)}. Experts: {', '.join(sorted(known))}.{''.join(broken)}"
        )
    return names


def families_for(names: Sequence[str]) -> list[Family]:
    """The families that serve the named experts, each once."""
    return [family for family, _ in _serving(names)]


def _serving(names: Sequence[str]) -> list[tuple[Family, str]]:
    return [(f, package) for f, package in _all_families() if any(card.name in names for card in f.cards)]


def needs_clips(names: Sequence[str]) -> bool:
    """Whether any of the experts needs clips."""
    return any(card.needs == "clips" for f in families_for(names) for card in f.cards if card.name in names)


def load_networks(names: Sequence[str], cache: Path, runtime: Runtime = DEFAULT_RUNTIME) -> list[Network]:
    """Loads the networks of experts, downloading weights if needed; their results are checked."""
    return [CheckedNetwork(family.load(cache, runtime), family.cards, package) for family, package in _serving(names)]
