"""Work spread over processes of this machine or over a Dask cluster, by joblib: the same call for both.

Both libraries are optional and slow to import, so this module is imported only when more than one process is asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

from distributed import Client
from joblib import Parallel, delayed, parallel_config

from millrace.core.failure import WorldError

_CONNECT_SEC = 10
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def spread(work: Callable[[Asked], Answer], tasks: Sequence[Asked], jobs: int, cluster: str | None) -> Iterator[Answer]:
    """Yield the answers as they come, in any order.

    With `cluster` all its workers are used, else `jobs` processes. Raises WorldError when the cluster does not answer,
    and whatever a piece of work raises.
    """
    with ExitStack() as held:
        if cluster is not None:
            try:
                client = held.enter_context(Client(cluster, timeout=_CONNECT_SEC, set_as_default=False))  # type: ignore[no-untyped-call]
            except (OSError, ValueError) as error:
                raise WorldError(f"no Dask scheduler answers at {cluster}: {error}") from error
            held.enter_context(parallel_config(backend="dask", client=client))
        workers = Parallel(n_jobs=-1 if cluster is not None else jobs, return_as="generator_unordered", batch_size=1)
        yield from workers(delayed(work)(task) for task in tasks)
