"""What the gateway can recognise by itself: secrets, personal data, attempts to turn a model."""

from dataclasses import dataclass

from headrace_gateway.domain.checksums import (
    Check,
    iban,
    mixes_letters_and_digits,
    payment_card,
    resident_id,
    stands_alone,
)

CHECKS_VERSION = 1
"""Part of every policy's version: raise it when a check in checksums.py decides otherwise."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A pattern for look-alikes, and where that is not enough, a check that tells the real ones."""

    pattern: str
    check: Check | None = None
    ignore_case: bool = False


DETECTORS = {
    # ---- secrets ----
    "private-key": Detector(
        r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----"
        r"(?:[0-9A-Za-z+/=:,\s\\-]*-----END [A-Z ]{0,32}PRIVATE KEY-----"
        r"|(?:[\s\\nr]*[0-9A-Za-z+/=]{16,})*)"
    ),
    "aws-access-key": Detector(r"A(?:K|S)IA[0-9A-Z]{16}"),
    "github-token": Detector(r"gh[oprsu]_[0-9A-Za-z]{36,}|github_pat_\w{22,}"),
    "slack-token": Detector(r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    "google-api-key": Detector(r"AIza[0-9A-Za-z_-]{35}"),
    "openai-key": Detector(r"\bsk-[0-9A-Za-z_-]{32,}"),
    # Complete where the payload has begun: how long the rest is need not be known to act.
    "jwt": Detector(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8}[\w.-]*"),
    "headrace-key": Detector(r"hr_[0-9A-Za-z]{8,32}_[0-9A-Za-z]{40,}"),
    "generic-secret": Detector(
        r"(?:\b(?:api|access|auth|secret)[_-]?(?:key|token)|\b(?:secret|password|passwd)|密码|口令|密钥)"
        r"[\"']?\s{0,4}[:=\x{FF1A}]\s{0,4}[\"']?[0-9A-Za-z_/+=.-]{12,}[\"']?",
        mixes_letters_and_digits,
        ignore_case=True,
    ),
    # ---- personal data ----
    "payment-card": Detector(
        r"\b[2-6][0-9]{3}(?:[0-9]{9,15}"
        r"|[ .\x{A0}-][0-9]{4}[ .\x{A0}-][0-9]{4}[ .\x{A0}-][0-9]{1,4}(?:[ .\x{A0}-][0-9]{1,3})?"
        r"|[ .\x{A0}-][0-9]{6}[ .\x{A0}-][0-9]{4,5})",
        payment_card,
    ),
    "iban": Detector(r"\b[A-Z]{2}[0-9]{2}(?:[ -]?[0-9A-Z]){11,30}", iban),
    "resident-id": Detector(
        r"\b[1-9][0-9]{5}(?:18|19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx]", resident_id
    ),
    "phone": Detector(
        r"\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}|\b1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}", stands_alone
    ),
    "email": Detector(r"[0-9A-Za-z._%+-]+@[0-9A-Za-z.-]+\.[A-Za-z]{2,24}"),
    # ---- attempts to turn a model ----
    "injection-ignore-instructions": Detector(
        r"(?:ignore|disregard|forget|override)\s+(?:(?:all|any|of|the|your|my|these)\s+){0,4}"
        r"(?:previous|prior|above|earlier|preceding)\s+(?:instruction|prompt|rule|message|direction)"
        r"|(?:忽略|无视|忘记|忘掉|不要理会|绕过)(?:掉|所有|全部|一切|你|您|以上|之前|上面|先前|前面|的){1,6}"
        r"(?:指令|指示|提示|规则|设定|命令|要求|限制)",
        ignore_case=True,
    ),
    "injection-reveal-prompt": Detector(
        r"(?:reveal|show|print|repeat|output|tell|give)\s+(?:me\s+)?(?:your|the)\s+"
        r"(?:system|hidden|initial|original)\s+(?:prompt|instruction|message)"
        r"|(?:显示|输出|告诉我|泄露|打印|重复|透露|说出)(?:你|您)?的?(?:系统|初始|隐藏|原始)的?(?:提示|指令|设定|消息)",
        ignore_case=True,
    ),
    "injection-role-change": Detector(
        r"you\s+are\s+now\s+(?:in\s+)?(?:dan\b|developer\s+mode|jailbroken|unrestricted|unfiltered)"
        r"|do\s+anything\s+now\b"
        r"|(?:你现在是|您现在是|进入|开启|切换到)(?:dan\b|开发者模式|越狱模式|无限制|不受限制)",
        ignore_case=True,
    ),
    "injection-control-tokens": Detector(
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|eot_id|start_header_id|end_header_id)\|>"
        r"|\[/?INST\]|<</?SYS>>"
    ),
}
