from .tier import Tier as Tier
from .tier import Token as Token
