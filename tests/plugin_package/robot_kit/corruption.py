"""A corruption: a sensor with few steps of resolution."""

import numpy as np

from anysense.envs.sensors.wrapper import Observation, Rows, SensorModel
