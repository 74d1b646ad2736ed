"""placeholder"""


class Transport: ...
