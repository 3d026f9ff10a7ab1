"""
The flight-recorder file, format 3: what the agent writes and the reader reads.

One file per process, mapped by both. All numbers are little-endian; times are CLOCK_MONOTONIC in
nanoseconds, which all processes of a machine share.

====================  ======================================================================
bytes                 content
====================  ======================================================================
0 .. 4096             header: magic, version, sizes, pid, start; a CRC over it
4096 .. 8192          state: 512 signed 64-bit words, each written in one aligned store
8192 .. ring          text slots: ``TEXT_HEADER`` (counter, length, CRC), then UTF-8 JSON
ring .. end           ring of 64-byte records; record *n* lies at place ``n % capacity``
====================  ======================================================================

A reader tells a torn record by its CRC and its sequence number, and a state that changes under
its eyes by reading it twice. Only the word ``CENSUS_REQUEST`` is written by the reader's side.
"""

import struct

FOLDER_VARIABLE = "FREEZELAB_FLIGHT_DIR"
"""Environment variable: where flight files go. Without it the agent does nothing."""
SUPERVISOR_VARIABLE = "FREEZELAB_SUPERVISOR_PID"
"""Environment variable: who takes the stack of a process that dies. Without it none is held at its death."""

CHECKSUMS_VARIABLE = "FREEZELAB_CHECKSUMS"
"""Environment variable: ``off``, ``rollout`` (no look at each epoch) or ``epoch``, the default."""
ZOOM_VARIABLE = "FREEZELAB_ZOOM"
"""Environment variable: the number of the rollout that is stored whole, with the one before it."""

MAGIC = b"FLZFLT\r\n"
VERSION = 3

HEADER = struct.Struct("<8sHHIIIqqqqqI")
"""magic, version, record size, ring capacity, text slots, text slot size, pid, parent pid,
started (monotonic ns), started (wall clock ns), mask of held signals, CRC of what stands before it."""
HEADER_SIZE = 4096

STATE_OFFSET = HEADER_SIZE
STATE_WORDS = 512

TEXT_OFFSET = STATE_OFFSET + STATE_WORDS * 8
TEXT_HEADER = struct.Struct("<qII")
TEXT_SIZE = 16384
TEXTS = ("facts", "exception", "census", "faults", "corruption")
"""What each text slot holds: the training set-up, the error that ended it, calls counted in one
minibatch, the agent's own errors, what the checks of the training data found."""

RING_OFFSET = TEXT_OFFSET + len(TEXTS) * TEXT_SIZE
RECORD = struct.Struct("<qqHHIqqqq")
"""sequence number (from 1), time, kind, phase, thread (low 32 bits), then four values by kind."""
RECORD_CRC = struct.Struct("<I")
RECORD_SIZE = 64
RING_CAPACITY = 16384

ENTER, LEAVE = 1, 2
"""Kinds of record. ENTER and LEAVE carry step, epoch, minibatch, and for LEAVE the duration in ns."""

PHASES = (
    "setup",
    "learn",
    "collect",
    "env.step",
    "env.reset",
    "policy",
    "buffer.add",
    "advantage",
    "train",
    "epoch",
    "minibatch",
    "sample",
    "forward",
    "backward",
    "optimizer",
    "callback",
    "eval",
    "save",
    "exit",
)
"""Phase id is the place in this tuple. New phases go to the end: ids are part of the format."""
COARSE = ("learn", "collect", "advantage", "train", "epoch", "eval", "save")
"""Phases that also go into the ring; the others come too often and are only counted."""
TOLD_AT_REST = ("env.step", "callback")
"""
Of the others, those that hold the user's code: they are told in ``AT_REST`` and counted at once even while their marks
are at rest.
"""

# Words of the state block.
FOREIGN_EVENTS = 0
"""Phases entered that are not shown: on another thread than those that are, or deeper than ``STACK_LIMIT``."""
LAST_EVENT_NS = 1
"""When a phase was last seen to be left, or entered without being shown; of marks at rest nobody reads the clock."""
STEP = 2
"""``model.num_timesteps``, told before each step of the environments and at each callback; -1 before the first."""
STEP_NS = 3
"""When STEP last changed; up to some eighty quick steps ago where the marks are at rest."""
TOTAL_STEPS = 4
N_STEPS = 5
EPOCH = 6
N_EPOCHS = 7
MINIBATCH = 8
N_MINIBATCHES = 9
RING_COUNT = 12
"""Records written so far."""
CENSUS_REQUEST = 13
"""Raised by the reader to ask for one census."""
CENSUS_DONE = 14
EXIT_NS = 15
"""When the interpreter began to shut down; 0 before."""
OPTIMIZER_STEPS = 16
"""On any thread; a step that an optimizer takes inside another's is part of that."""
WORKER_INDEX = 17
"""Which worker of a vectorised environment the process is, from 0; -1 when it is none."""
THREADS_LEFT_BEHIND = 18
"""How many other Python threads its parent had when this process was forked from it."""
AT_REST = 19
"""
The innermost open phase of ``TOLD_AT_REST`` whose mark is at rest: its id + 1, times 256, and the place where it would
stand in ``STACK``; 0 when there is none.
"""
STACK = 32
"""Open phases, outermost first: pairs (phase id + 1, entered ns); the first that is 0 ends them."""
STACK_LIMIT = 24
PHASE_TABLE = 128
"""
Per phase id: count, total ns, longest ns.

A phase that comes often and takes next to no time is at rest: most of its calls are not shown, their time is that of
the call shown before, and their count is written now and then, and when one of ``COARSE`` is left, if it has not been
for 50 ms. Minibatches that rest are not among the open phases, but ``MINIBATCH`` goes on; of short passes through a
network ("policy" and "forward") only those of sample rollouts and their updates are counted at all, and of the short
steps of a vectorised environment's worker only those of sample episodes: the parent counts them all.
"""
PHASE_COLUMNS = 3

FILE_SIZE = RING_OFFSET + RING_CAPACITY * RECORD_SIZE
