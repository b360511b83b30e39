"""What the reference tables are about, Chinese and English; each file says at its head where its rows come from, in English."""

TABLES = {
    "agreements": ("互认约定", "Acceptance agreements"),
    "banks": ("合作银行", "Partner banks"),
    "fund_return_reasons": ("退票原因", "Reasons of returned payments"),
    "id_types": ("证件类型", "Identity documents"),
    "materials": ("申请材料", "Materials that applicants bring"),
    "media": ("用卡介质", "What a holder shows"),
    "policy": ("政策参数", "Policy parameters"),
    "reasons": ("答复理由", "Reasons of answers"),
    "regions": ("行政区划", "Regions"),
    "scenarios": ("用卡场景", "Scenarios"),
    "service_item_packages": ("一件事套餐", "Packages of service items"),
    "service_item_totals": ("事项公布数", "Published totals of service items"),
    "service_item_versions": ("事项办理版本", "How each side handles a service item"),
    "service_item_words": ("事项检索词", "Words for the search of service items"),
    "service_items": ("川渝通办事项", "Service items"),
    "settlement_schemes": ("结算方案", "Settlement schemes"),
    "targets": ("公布指标", "Published targets"),
    "unionpay_areas": ("银联地区码", "UnionPay area codes"),
    "working_days": ("工作日安排", "Working days"),
}
# Their columns in Chinese; in English they have the names of the file.
COLUMNS = {
    "advice_en": "英文提示", "advice_zh": "中文提示", "agreement_id": "约定编号", "auth_level": "认证级别", "base_code": "基本编码",
    "basis": "依据", "batch": "批次", "carrier": "载体", "channels": "渠道", "code": "代码", "concession": "优待", "cut": "切账时刻",
    "day": "日期", "department": "部门", "detail": "细分", "evidence": "出处", "family_code": "联行代码", "fee_fen": "收费（分）",
    "group": "组", "implementing_code": "实施编码", "initials": "首字母", "is_working": "是否工作日", "iso": "ISO 代码",
    "issuer_provinces": "发卡省", "item_id": "事项编号", "items": "事项", "legal_basis": "法律依据", "legal_working_days": "法定工作日",
    "level": "级别", "life_events": "人生事件", "materials": "材料", "max_age_years": "最高年龄", "measure": "指标", "media": "介质",
    "min_age_years": "最低年龄", "mode": "办理模式", "mode_basis": "模式依据", "name": "名称", "name_en": "英文名", "name_zh": "中文名",
    "outcome": "结论", "package_id": "套餐编号", "parameter": "参数", "parent": "上级", "payer": "应付方", "pinyin": "拼音",
    "predecessors": "前身", "promised_working_days": "承诺工作日", "province": "省", "provinces": "省", "published_on": "公布日期",
    "region": "地区", "regions": "地区", "route": "结算途径", "rule": "规则", "scenarios": "场景", "scheme": "方案",
    "serving_provinces": "服务省", "serving_regions": "服务地区", "settlement": "结算", "since": "自", "source": "来源", "state": "状态",
    "successors": "后继", "synonyms": "同义词", "text_en": "英文", "text_zh": "中文", "unionpay_code": "银联代码", "valid_from": "起",
    "valid_to": "止", "value": "值", "venues": "场所", "word": "词",
}  # fmt: skip


def table_words(name: str) -> tuple[str, str]:
    """Returns a table in both languages, its name where there are no words."""
    return TABLES.get(name, (name, name))
