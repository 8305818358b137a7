"""Settings of the network. No heavy imports: the command line reads them for its help."""

from dataclasses import dataclass, field

from cinegrain.errors import ConfigError


@dataclass(frozen=True)
class ModelSettings:
    """Shape of the network."""

    width: int = field(default=128, metadata={"help": "Shared width of all modes inside the network."})
    dropout: float = field(default=0.3, metadata={"help": "Share of input values dropped in training, 0 to 0.9."})

    def __post_init__(self) -> None:
        if self.width < 1 or not 0 <= self.dropout <= 0.9:
            raise ConfigError(
                f"model.width must be at least 1 and model.dropout within 0..0.9; found {self.width}, {self.dropout}."
            )
