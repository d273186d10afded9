# For a Docker Space, or any machine with Docker:
#   docker build -t sightline . && docker run --rm -p 7860:7860 sightline
# For a machine with a GPU, with a CUDA build of torch:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 -t sightline .
#   docker run --rm --gpus all -p 7860:7860 sightline
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Further packages, such as that of explainer/serving/requirements.txt.
ARG EXTRA=

# Spaces run the container as user 1000. The folders exist before a volume is mounted on them.
RUN useradd --create-home --uid 1000 user \
    && install -d -o user -g user /home/user/app /home/user/.cache /home/user/.cache/huggingface
USER user
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    HF_HOME=/home/user/.cache/huggingface \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False \
    PYTHONUNBUFFERED=1
WORKDIR /home/user/app

COPY --chown=user requirements.txt ./
# hadolint ignore=DL3013,SC2086
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep '^torch' requirements.txt)" \
    && pip install --no-cache-dir -r requirements.txt $EXTRA

COPY --chown=user app.py README.md LICENSE NOTICE ./
COPY --chown=user explainer explainer
COPY --chown=user assets assets

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=300s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
CMD ["python", "app.py"]
