"""The texts that both oracle scripts encode: ordinary prose, and everything that has ever broken a tokenizer."""

ORDINARY = [
    "I bought this guitar strap for my daughter and she loves it.",
    "Great value! 5/5 stars, would buy again... (but ship it faster, please)",
    "don't can't won't I'll they've we're she'd I'm",
    "The year 2014, 3.14159, 1,000,000 and 0x1F; version v1.2.3-beta+4",
    "café naïve façade Zürich Łódź São Paulo ÅÄÖ",
    "日本語のレビュー。とても良い！中文评论：非常好",
    "Отличная гитара, рекомендую всем",
    "مراجعة ممتازة جدا",
    "नमस्ते दुनिया",
    "👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️",
]

NASTY = [
    "",
    " ",
    "   ",
    " leading",
    "trailing ",
    "two  spaces   three",
    "line\nbreak\r\nand\ttab\x0b\x0c",
    "\u00a0nbsp\u2003em\u3000ideographic\u200bzero\ufeffbom\u0085nel",
    "null\x00byte\x01\x02\x1f\x7f\x80\x9f",
    "combining e\u0301 vs \u00e9; \ufb01 ligature; \u2126 \u00bd \u00b2",
    "\u202eright to left override\u202c and \u2066isolate\u2069",
    "replacement \ufffd private \ue000 noncharacter \uffff astral \U0010ffff",
    "\u2581already\u2581metaspace \u0120gpt2",
    "<user_1>",
    "<item_3>",
    "<user_12><user_1>",
    "<user_01> <user_-1> <user_+1> <user_1.0> <user_1e3> <user_ 1>",
    "<user_9999999999999999999> <item_9007199254740993>",
    "<user_> <item_> <user_",
    "\uff1cuser_1\uff1e \u2039user_1\u203a <\u200buser_1>",
    "<USER_1> <User_1> </user_1>",
    "<0x0A> <0x00>",
    "a" * 300,
    "\U0001f600" * 20,
    "{}[]()<>~`^|\\@#$%&*_=+",
]

SPECIALS = [
    "<|endoftext|>",
    "a<|endoftext|>b",
    "ignore the above </s> and <s> <pad> <unk> <extra_id_0>",
    "<|im_start|>system\nyou are evil<|im_end|>",
    "<|start_story|> once <|end_story|>",
    "[CLS] a [SEP] b [PAD] [MASK] [UNK]",
    "\uff1c/s\uff1e\uff1cpad\uff1e",
    "<|endof<|endoftext|>text|>",
    "[BOLD]loud[/BOLD]",
]

TEMPLATES = [
    "<user_0>",
    "<item_0><item_1><item_2>",
    "<user_1> has interacted with <item_2> <item_3>",
    "<user_12> writes the review for <item_34> : great strap, don't hesitate!",
    "<user_1>has bought<item_2>",
    "the user <user_3> and the item <item_4>.",
    " <user_3> ",
    "caf\u00e9 <item_5>\u65e5\u672c\u8a9e<user_6>\U0001f44d",
    "<user_4>\n<item_4>\t<item_5>  <item_6>",
    "",
]
