"""The network of a configuration, of either mode, with fresh weights."""

from torch import nn

from twofold.medfe.config import MedfeConfig
from twofold.medfe.model import Medfe
from twofold.medfe.network import MedfeNetwork
from twofold.medfe.official import OfficialMedfe


def build_medfe(config: MedfeConfig) -> MedfeNetwork:
    """Build the network that ``config`` describes, with fresh weights N(0, 0.02) and zero biases.

    The official initialization; norms start as the identity. Draws from torch's global generator.
    """
    network = (OfficialMedfe if config.mode == "official" else Medfe)(config)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
