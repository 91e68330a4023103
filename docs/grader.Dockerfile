# A container in which submissions are graded. Build it in the checkout:
#
#     docker build -f docs/grader.Dockerfile -t tinyvae-grader .
#
# and grade, with the build of the assignment in ps1/ and what was handed in in handed-in/, both in this folder:
#
#     docker run --rm --network none --memory 2g --pids-limit 512 -v "$PWD:/work" tinyvae-grader \
#         grade handed-in --assignment ps1 --csv grades.csv
#
# Untested: this file has never been built, and no container made from it has run. What the tests run is the same commands
# and the same jails on Linux without a container.
#
# Which jail a container allows (the grader tries each, takes the strongest, and names it in every row of the results):
#
#   bwrap                 makes user namespaces and mounts, which Docker's own seccomp and AppArmor profiles forbid. It needs
#                             --security-opt seccomp=unconfined --security-opt apparmor=unconfined
#                         and a host that lets users make user namespaces (Ubuntu since 23.10:
#                         sysctl kernel.apparmor_restrict_unprivileged_userns=0). Podman's own profile is said to be enough.
#                         Do not use --privileged for it: it gives the container the machine.
#   landlock + seccomp    need no option at all: a process asks for both itself. Landlock is in Linux from 5.13 on, where the
#                         host's kernel has it switched on, and the profiles of today's Docker and Podman let it through. This
#                         is what to expect of a plain `docker run`.
#   other user + seccomp  needs no option, but that the grader runs as root in the container, as it does here, and that the build
#                         is closed to others on the host: chmod 700 ps1

FROM debian:bookworm-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv bubblewrap \
    && rm -rf /var/lib/apt/lists/*

# Whom answers run as, where the jail is another user: no login, no home.
RUN useradd --system --no-create-home --shell /usr/sbin/nologin student

# In an environment of its own, because Debian's pip installs nothing beside the system's packages; others may read it.
RUN umask 022 && python3 -m venv /opt/tinyvae && /opt/tinyvae/bin/pip install --no-cache-dir "numpy>=1.26"
COPY pyproject.toml setup.cfg README.md LICENSE /src/
COPY tinyvae /src/tinyvae
RUN umask 022 && /opt/tinyvae/bin/pip install --no-cache-dir /src && rm -rf /src && chmod -R a+rX /opt/tinyvae \
    && chmod -R go= /opt/tinyvae/lib/python3*/site-packages/tinyvae  # answers stand there

# Keys and results belong to the lecturer: whoever else is in the container sees nothing here, on mounted folders as the host says.
RUN mkdir -m 700 /work
WORKDIR /work

ENTRYPOINT ["/opt/tinyvae/bin/python", "-m", "tinyvae", "course"]
CMD ["--help"]
