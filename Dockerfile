# The server: docker build -t twofold . && docker run -p 127.0.0.1:7860:7860 -e TWOFOLD_TOKEN=... twofold
FROM python:3.12-slim

# PyTorch first, and its CPU build where there is one: everything else then leaves it alone.
RUN pip install --no-cache-dir "torch==2.13.0" --extra-index-url https://download.pytorch.org/whl/cpu

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir ".[serve]"

# Nobody in particular, who owns nothing: the server writes no files.
RUN useradd --system --no-create-home twofold
USER twofold
WORKDIR /
ENV PYTHONUNBUFFERED=1

EXPOSE 7860
HEALTHCHECK --start-period=60s CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health')"
# Reachable from other machines, so it asks for a token: the variable TWOFOLD_TOKEN, or one made up and printed.
ENTRYPOINT ["twofold", "serve", "--host", "0.0.0.0"]
