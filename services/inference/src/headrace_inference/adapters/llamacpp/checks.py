"""What of a request llama.cpp cannot honour, or would not survive."""

from collections.abc import Mapping, Set

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.forms.checker import FormChecker
from headrace_inference.adapters.llamacpp.free_calls import check_free_tools
from headrace_inference.adapters.llamacpp.prompt import PromptReader
from headrace_inference.adapters.llamacpp.tools import call_grammar, is_free_to_call, schema_of
from headrace_inference.domain.requests import GenerationRequest


def check_bias(bias: Mapping[int, float], vocabulary_size: int, textless: Set[int]) -> None:
    """Raise INVALID_FIELD: an answer of nothing but parts of characters would never call back."""
    if max(bias, default=0) >= vocabulary_size:
        message = f"logit_bias: this model has {vocabulary_size} tokens"
        raise HeadraceError(Reason.INVALID_FIELD, message, param="logit_bias")
    for token, value in bias.items():
        if value > 0 and token in textless:
            message = f"logit_bias: token {token} is no text of its own, so at most 0 for it"
            raise HeadraceError(Reason.INVALID_FIELD, message, param="logit_bias")


async def check_tools(
    request: GenerationRequest, schemas: FormChecker, reader: PromptReader
) -> None:
    """Raise INVALID_FIELD or UNSUPPORTED_PARAMETER."""
    if is_free_to_call(request):
        check_free_tools(request.offered_tools)
    for tool in request.offered_tools:
        param = f"tools[{request.tools.index(tool)}].parameters"
        await schemas.check(schema_of(tool, param), request.organization_id, param)
    if request.must_call:
        grammar = call_grammar(request.offered_tools)
        names = [tool.name for tool in request.offered_tools]
        await schemas.check_calls(grammar, names, request.organization_id)
    for param, value in (
        ("response_format", request.response_format),
        ("top_logprobs", request.sampling.top_logprobs),
    ):
        if value is not None:
            message = f"{param}: this engine cannot honour it together with tools"
            raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, message, param=param)
    if is_free_to_call(request):
        reader.check_contents(request.prompt)
