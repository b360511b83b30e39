"""What the parameters of policy.csv are called, Chinese and English."""

PARAMETERS = {
    "tempLossDays": ("临时挂失天数", "days of a temporary loss"),
    "formalLossReleasable": ("正式挂失可解挂", "a formal loss can be released"),
    "socialPinMaxTries": ("社保密码可错次数", "wrong tries of the social PIN"),
    "renewWindowDays": ("到期前可换卡天数", "days before expiry in which a card is renewed"),
    "cardValidityYears": ("金融功能有效年数", "years of the bank function"),
    "socialFunctionSurvivesExpiry": ("过期后社保功能仍有效", "the social function survives expiry"),
    "onePerProvince": ("一省一卡", "one card a province"),
    "elderTransitAgeYears": ("敬老乘车年龄", "age of the elder concession"),
    "elderTransitQuotaUnits": ("敬老乘车次数", "units of the elder concession"),
    "elderTransitQuotaPeriod": ("敬老乘车次数的周期", "period of the elder concession"),
    "elderTransitTopUpUnits": ("敬老乘车增加次数", "further units of the elder concession"),
    "businessDayCut": ("营业日分界时刻", "cut of the business day"),
    "tempCardCrossRegion": ("临时卡可出省使用", "a temporary card is used beyond its province"),
    "tempCardValidityDays": ("临时卡有效天数", "days of a temporary card"),
    "provisionalBlockHours": ("待确认挂失小时数", "hours of a block that waits for the issuer"),
    "ecardWhileTempLost": ("临时挂失期间的电子社保卡", "the e-card during a temporary loss"),
    "medicalPinFromFen": ("需密码的金额（分）", "amount from which a PIN is needed (fen)"),
    "metroMaxDwellMinutes": ("轨道最长停留（分钟）", "longest stay in the metro (minutes)"),
    "leapDayBirthday": ("闰日生日算在", "day on which leap-day birthdays count"),
}
