from .hit import Hit as Hit
from .hit import Near as Near
from .hit import Owner as Owner
from .hit import bypass as bypass
from .hit import enable as enable
from .hit import renew as renew
from .hit import watch as watch
