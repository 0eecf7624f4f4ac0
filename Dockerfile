# cllm4rec in a container: builds the workspace, packs what the command line needs, and installs that alone.
#   docker build -t cllm4rec . && docker run -p 127.0.0.1:8080:8080 -v "$PWD/model:/model:ro" -v "$PWD/backbone:/backbone:ro" cllm4rec
FROM node:22-bookworm-slim AS build
WORKDIR /build
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY . .
RUN npx --yes pnpm@10.34.8 install --frozen-lockfile \
 && npx pnpm exec turbo run build --filter=@cllm4rec/cli... --output-logs=errors-only \
 && mkdir /tarballs \
 && npx pnpm --filter-prod "@cllm4rec/cli..." exec pnpm pack --pack-destination /tarballs \
 && mkdir /app && cd /app && npm init -y > /dev/null && npm install --omit=dev /tarballs/*.tgz

FROM node:22-bookworm-slim
ENV NODE_ENV=production
COPY --from=build /app /app
USER node
WORKDIR /home/node
EXPOSE 8080
# Node's own signal handling is used: the process is PID 1 and drains on SIGTERM.
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/node_modules/.bin/cllm4rec"]
# Inside the container every address is the container's own; publish the port to 127.0.0.1 or to a proxy.
CMD ["serve", "--model", "/model", "--backbone", "/backbone", "--host", "0.0.0.0", "--watch"]
