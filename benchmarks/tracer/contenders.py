"""How each tracer is switched on; every function runs in an environment of its own."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Started = tuple[dict[str, Any], Callable[[], object]]
COMMON = (
    "langchain>=1.4,<2",
    "langchain-classic>=1,<2",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-http",
)
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "Waypost": (),
    "Waypost, content=full": (),
    "OpenInference": ("openinference-instrumentation-langchain",),
    "OpenLLMetry": ("opentelemetry-instrumentation-langchain",),
    "traceAI": ("traceai-langchain",),
    "Langfuse": ("langfuse",),
    "LangSmith": ("langsmith",),
    "MLflow": ("mlflow",),
}


def _load(module: str) -> Any:
    """A contender's module, there only in its own environment."""
    return importlib.import_module(module)


def waypost(endpoint: str, content: str = "delta") -> Started:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    tracer = _load("tracer")
    tracer.instrument(endpoint, content=content)
    return {}, tracer.flush


def _plain_otel(endpoint: str) -> Any:
    """The SDK's own batch processor, as each contender's documentation shows it."""
    trace = _load("opentelemetry.trace")
    sdk = _load("opentelemetry.sdk.trace")
    export = _load("opentelemetry.sdk.trace.export")
    otlp = _load("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    provider = sdk.TracerProvider()
    exporter = otlp.OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def openinference(endpoint: str) -> Started:
    provider = _plain_otel(endpoint)
    module = _load("openinference.instrumentation.langchain")
    module.LangChainInstrumentor().instrument(tracer_provider=provider)
    return {}, provider.force_flush


def openllmetry(endpoint: str) -> Started:
    provider = _plain_otel(endpoint)
    module = _load("opentelemetry.instrumentation.langchain")
    module.LangchainInstrumentor().instrument(tracer_provider=provider)
    return {}, provider.force_flush


def traceai(endpoint: str) -> Started:
    provider = _plain_otel(endpoint)
    module = _load("traceai_langchain")
    module.LangChainInstrumentor().instrument(tracer_provider=provider)
    return {}, provider.force_flush


def langfuse(endpoint: str) -> Started:
    os.environ.update(LANGFUSE_HOST=endpoint, LANGFUSE_BASE_URL=endpoint)
    os.environ.setdefault("LANGFUSE_PUBLIC_KEY", "pk-lf-bench")
    os.environ.setdefault("LANGFUSE_SECRET_KEY", "sk-lf-bench")  # a dummy for a sink
    client = _load("langfuse").get_client()
    handler = _load("langfuse.langchain").CallbackHandler()
    return {"callbacks": [handler]}, client.flush


def langsmith(endpoint: str) -> Started:
    os.environ.update(
        LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=endpoint, LANGSMITH_API_KEY="bench",
        LANGSMITH_PROJECT="bench",
    )  # fmt: skip
    utils = _load("langsmith.utils")
    utils.get_env_var.cache_clear()
    tracers = _load("langchain_core.tracers.langchain")
    return {}, tracers.wait_for_all_tracers


def mlflow(endpoint: str) -> Started:
    os.environ.update(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{endpoint}/v1/traces",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    module = _load("mlflow")
    module.langchain.autolog()

    def flush() -> None:
        provider = _load("mlflow.tracing.provider")
        found = provider.provider.get() if hasattr(provider, "provider") else None
        if found is not None and hasattr(found, "force_flush"):
            found.force_flush()

    return {}, flush


START: Mapping[str, Callable[[str], Started]] = {
    "Waypost": waypost,
    "Waypost, content=full": lambda endpoint: waypost(endpoint, "full"),
    "OpenInference": openinference,
    "OpenLLMetry": openllmetry,
    "traceAI": traceai,
    "Langfuse": langfuse,
    "LangSmith": langsmith,
    "MLflow": mlflow,
}
