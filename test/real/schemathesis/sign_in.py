"""Signs the requests of schemathesis in, at the helper of run.ts."""

import os
from urllib.request import urlopen

import schemathesis

# Each ends the session of its request, which the next one cannot use any more.
ENDING = ["logOut", "endSession"]


def sign_in():
    with urlopen(os.environ["SIGN_IN_URL"]) as answer:
        return answer.read().decode().split("=", 1)


class Session:
    def get(self, case, ctx):
        return sign_in()

    def set(self, case, data, ctx):
        name, value = data
        case.cookies = {**(case.cookies or {}), name: value}


@schemathesis.auth().skip_for(operation_id=ENDING)
class LastingSession(Session):
    pass


@schemathesis.auth(refresh_interval=None).apply_to(operation_id=ENDING)
class FreshSession(Session):
    pass
