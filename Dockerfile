# One image per program that runs in a container: `docker build --build-arg PROGRAM=proxy dist/aws/image`, which `cdk synth` fills (cdk/app.ts).
# The command is the program's role: `router` or `proxy` for the proxy, nothing for the agent. Nothing is run while it is built, so that a machine of any
# architecture builds it for any other.
ARG FROM=public.ecr.aws/docker/library/node:24.21.0-bookworm-slim
FROM ${FROM}
ARG PROGRAM
COPY ${PROGRAM}.mjs /opt/gilliam/program.mjs
ENV NODE_ENV=production
USER 1000:1000
ENTRYPOINT ["node", "/opt/gilliam/program.mjs"]
