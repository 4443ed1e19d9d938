"""What predicting one photo can't do without: importing MXNet, and one forward pass of a network. Prints nothing."""

from __future__ import annotations

import sys

import numpy

if "bool" not in vars(numpy):  # without this MXNet 1.9.1 can't be imported at all
    numpy.bool = bool

from mxnet import nd
from mxnet.gluon.model_zoo import vision

net = vision.get_model(sys.argv[1], classes=2)
net.initialize()
net(nd.zeros((1, 3, 224, 224))).wait_to_read()
