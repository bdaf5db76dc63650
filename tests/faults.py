# SPDX-License-Identifier: Apache-2.0
"""The faults that a test orders, and which of them a request meets.

An order names its request as METHOD:N, or METHOD@TEXT:N where the path must hold TEXT; METHOD may be *.
N counts from 1 the requests that fit, of all connections, in the order in which they come.
"""

import email.utils
import random
import threading
import time


class Plan:
    """What happens to one request."""

    def __init__(self):
        self.faults = []  # the options that say so

    fail = None  # a status: the body is read, nothing is done
    retry_after = None  # with it
    answer = None  # a status, in the place of that of a request that was carried out
    lose = None  # a status: the session is forgotten, and is unknown with it
    stall = None  # (bytes, seconds): no reading for so long after so many bytes of the body
    early = None  # (bytes, status): a page after so many bytes of the body, then the end
    short = None  # bytes of the body that are taken, the others are dropped
    cut = False
    cut_after = None  # bytes of the body; None is after all is done, in the place of the answer
    cut_resets = True  # by RST, else by FIN
    outage = None  # seconds; with a cut: of all connections, and no new one for so long


class Order:
    """One order: the request it is for, and what is to happen (the rest of the text)."""

    def __init__(self, option, text, fields):
        where, *self.rest = text.split(":")
        self.method, _, self.part = where.partition("@")
        if len(self.rest) not in fields:
            raise SystemExit(f"registry.py: {option} {text}: not of that form")
        self.number = int(self.rest.pop(0))
        self.seen = 0

    def counts(self, method, path):
        """Whether it is of that kind. It is counted then."""
        if self.method not in (method, "*") or self.part not in path:
            return False
        self.seen += 1
        return True


def retry_after(text):
    """Seconds as they are; date+SECONDS is the date then."""
    if text.startswith("date"):
        return email.utils.formatdate(time.time() + int(text[len("date") :]), usegmt=True)
    return text


def fail(plan, status, wait=None):
    plan.fail = int(status)
    plan.retry_after = retry_after(wait) if wait else None


def answer(plan, status):
    plan.answer = int(status)


def lose(plan, status):
    plan.lose = int(status)


def stall(plan, count, seconds):
    plan.stall = (int(count), float(seconds))


def early(plan, count, status):
    plan.early = (int(count), int(status))


def short(plan, count):
    plan.short = int(count)


def cut(plan, count, kind="rst"):
    plan.cut = True
    plan.cut_after = None if count == "reply" else int(count)
    plan.cut_resets = kind == "rst"


def down(plan, count, seconds):
    cut(plan, count)
    plan.outage = float(seconds)


# Option: what it does, numbers of fields behind METHOD, form, help.
ORDERS = {
    "--fail": (fail, (2, 3), "METHOD:COUNT:STATUS[:WAIT]",
        "the first COUNT requests fail; status 0 drops the connection; WAIT is Retry-After, in"
        " seconds or as date+SECONDS"),
    "--fail-at": (fail, (2, 3), "METHOD:N:STATUS[:WAIT]", "the same for the Nth only"),
    "--answer-at": (answer, (2,), "METHOD:N:STATUS", "all is done, but this is the answer"),
    "--lose-at": (lose, (2,), "METHOD:N:STATUS",
        "the session is gone, and unknown with STATUS from then on"),
    "--stall-at": (stall, (3,), "METHOD:N:BYTES:SECONDS",
        "after BYTES of the body nothing is read for so long"),
    "--early-at": (early, (3,), "METHOD:N:BYTES:STATUS",
        "after BYTES of the body comes a page with STATUS, then the end of the connection"),
    "--short-at": (short, (2,), "METHOD:N:BYTES", "only BYTES of the body are stored"),
    "--cut-at": (cut, (2, 3), "METHOD:N:BYTES[:fin]",
        "the connection ends after BYTES of the body, or (reply) in the place of the answer"),
    "--down-at": (down, (3,), "METHOD:N:BYTES:SECONDS",
        "the same, and so do all others; for so long nobody listens, then all is as before"),
}


def add_options(add):
    for option, (_, _, form, text) in ORDERS.items():
        add(option, action="append", default=[], metavar=form, help=text)
    add("--cut", metavar="SEED[:COUNT[:WITHIN]]",
        help="COUNT (1) connections are cut, by RST or FIN, at a random byte or in the place of an"
        " answer, each within WITHIN (8) requests after the one before")


class Cuts:
    """The cuts of --cut. All is drawn before the request is known, so that the same requests meet
    the same cuts. Three of four wait for a request with a body."""

    def __init__(self, text):
        numbers = [int(one) for one in (text or "0:0").split(":")]
        seed, self.left, self.within = numbers + [1, 8][len(numbers) - 1 :]
        self.random = random.Random(seed)
        self.draw()

    def draw(self):
        self.wait = self.random.randint(1, self.within)
        self.needs_body = self.random.random() < 0.75
        self.where = self.random.random()
        self.resets = self.random.random() < 0.5

    def apply(self, plan, length):
        if not self.left:
            return
        self.wait -= 1
        if self.wait > 0 or (self.needs_body and not length):
            return
        plan.cut = True
        plan.faults.append("--cut")
        plan.cut_resets = self.resets
        # A fifth loses the answer. A request without a body is lost itself or its answer is.
        place = self.where / 0.8
        if place < 1 and (length or place < 0.6):
            plan.cut_after = int(place * length)
        self.left -= 1
        self.draw()


class Faults:
    def __init__(self, options):
        self.lock = threading.Lock()
        self.cuts = Cuts(options.cut)
        self.orders = []  # (option, Order)
        for option, (_, fields, _, _) in ORDERS.items():
            for text in getattr(options, option[2:].replace("-", "_")):
                self.orders.append((option, Order(option, text, fields)))

    def plan(self, method, path, length):
        plan = Plan()
        with self.lock:
            for option, order in self.orders:
                # Of several --fail the next begins where the one before is used up.
                if option == "--fail" and plan.fail is not None or not order.counts(method, path):
                    continue
                if order.seen == order.number or (option == "--fail" and order.seen < order.number):
                    ORDERS[option][0](plan, *order.rest)
                    plan.faults.append(option)
            self.cuts.apply(plan, length)
        if plan.cut_after is not None and plan.cut_after >= length > 0:
            plan.cut_after = None
        return plan
