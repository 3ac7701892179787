"""The words that senders use, in the languages they use them.

Status, severity and field names arrive as English, as monitoring jargon (``P1``, ``Sev2``, ``ALARM``) or localised. Everything that
compares such a word does it here, so that a new word is one line and not a hunt.
"""

import re
import unicodedata

from bot.alerts.model import Level, Status


def listed(text: str) -> frozenset[str]:
    """The words of ``text``, as a set."""
    return frozenset(text.split())


_LEVELS: dict[Level, str] = {
    "critical": """critical crit error err high urgent emergency emerg severe fatal disaster blocker alarm alert panic page major
        حرج حرجة गंभीर p0 p1 sev0 sev1 s0 s1 kritisch kritische critique crítico crítica critico critica kritiek kritisk krytyczny kritický
        nghiêm_trọng kritická khẩn_cấp 高 高い 高危 높음 긴급 krytyczna krytyczne wysoki wysoka tinggi kritis cao kritično hög hoog yüksek
        критична
        висока критический критическая критическое критично критичный критичная авария высокий
        высокая 严重 紧急 致命 危急 嚴重 緊急
        重大 クリティカル 심각 치명적 위험 kritik dringend urgente grave schwerwiegend hoch élevée élevé alta""",
    "warning": """warning warn medium moderate minor average ticket 中 中危 중간 보통 średni średnia orta sedang medel middel
        середня p2 sev2 s2 warnung avertissement advertencia aviso avviso
        avvertimento atención waarschuwing varning advarsel ostrzeżenie предупреждение внимание средний средняя 警告 一般 次要
        注意 경고 uyarı mittel moyenne media média""",
    "info": """info information informational notice low none ok normal debug p3 p4 p5 sev3 sev4 sev5 s3 s4 hinweis
        informations información informativo informazione informatie инфо информация низкий низкая 信息 提示 通知 資訊 情報
        低 低危 낮음 niski niska düşük rendah låg laag низька 정보 bilgi niedrig faible baja baixa bassa""",
}
_FIRING = """firing fired alerting triggered triggering re-triggered retriggered problem alarm alert open opened active activated breached
    critical down unhealthy failing ausgelöst aktiv problème déclenchée déclenché alerte disparada disparado activa alerta ativo attivo
    сработал сработало проблема тревога 触发 告警 报警 告警中 触发中 異常 异常 障害 発生 発報 발생 경보 no_data nodata
    allarme alarme incident offline тривога poplach larm hälytys cảnh_báo
    تنبيه إنذار चेतावनी अलर्ट
    장애 장애_발생 障害 故障 障碍 awaria störfall storing fallo falla avería guasto arıza tetiklendi wyzwolony aktywny
    anomaly_detected violation_detected incident_detected issue_detected problem_detected outage_detected failure_detected
    issue_opened issue_activated issue_started issue_is_active problem_opened alarm_triggered incident_is_active violation_started
    störung ausfall panne avaria авария сбой 发生中 障害発生
    problem_started alert_started
    alert_firing alert_triggered alert_fired alert_opened new_alert incident_opened incident_triggered incident_created incident_started
    new_incident monitor_triggered monitor_is_down monitor_alert"""
_RESOLVED = """resolved recovered recovery ok closed cleared inactive deactivated healthy up normal restored back_to_normal
    behoben erholt aufgelöst gelöst resuelto resuelta recuperado recuperada résolu résolue rétabli rétablie resolvido resolvida
        normalizado
    risolto risolta opgelost rozwiązany решено решён восстановлено восстановлен устранено 已恢复 恢复 已解决 解决 恢復 已恢復
    解除 復旧 回復 해결 복구 çözüldü
    rozwiązany rozwiązane giderildi naprawiono återställd opnieuw_normaal вирішено відновлено
    online back_online
    issue_resolved issue_closed violation_ended violation_closed to_normal monitor_is_up_again
    alert_resolved alert_recovered alert_closed incident_resolved incident_closed problem_resolved monitor_recovered monitor_is_up"""

SEVERITIES: dict[str, Level] = {
    word.replace("_", " "): level for level, words in _LEVELS.items() for word in words.split()
}
STATUSES: dict[str, Status] = {
    **{word.replace("_", " "): "firing" for word in _FIRING.split()},
    **{word.replace("_", " "): "resolved" for word in _RESOLVED.split()},
}

# What people call an alert: such words name none.
ALERT_NOUNS = listed(
    """violation breach alert alerts alarm
    alarms alerta alertas alerte alertes allarme alarme warnung meldung incident incidents incidente issue problem
    notification monitor monitoring prometheus grafana alertmanager new neue nuevo nueva novo nova оповещение тревога алерт уведомление
    告警 报警 アラート 알림 경보 uyarı alarmı тривога poplach larm تنبيه चेतावनी"""
)
# Bare values of a title without names: only words that nothing but a severity label says.
PLAIN_SEVERITIES = ("critical", "warning", "info", "none", "error", "page", "fatal", "ticket")

_FIELDS = {
    "name": """alert|name|alert name|alertname|alert rule|rule|rule name|rulename|monitor|monitor name|check|trigger|alarm
        |uptime monitor|check name|health rule|alarm name|problem|problem name|event name|alarmname|名称|告警名称|报警名称|告警规则|规则名称
        |告警
        |アラート
        |アラート名|알림|경고 이름|alarmname|warnungsname|regel|alerte|nom de l'alerte|règle|alerta|nombre
        |nombre de la alerta|nome do alerta|regla|regra|regola|reguła|kural|тревога|название|имя|правило|оповещение""",
    "status": """status|state|alert status|alert state|current state|condition|monitor condition
        |trigger status|alarm status|alarm state|incident status|zustand|état|etat|statut
        |estado|stato|stan|stav|trạng thái|стан|статус|состояние|状态|告警状态|状態|ステータス|상태|durum""",
    "severity": """severity|level|priority|alert severity|alert level|urgency|criticality|sev
        |trigger severity|alarm severity|event severity|incident severity|schweregrad|priorität|stufe
        |sévérité|gravité|niveau|priorité|gravedad|severidad|severidade|nivel|nível|prioridad|prioridade|gravità|livello
        |ernst|الخطورة|الأهمية|गंभीरता|poziom|ważność|waga|seviye|tingkat|mức độ|závažnost|allvarlighetsgrad|критичність|важливість
        |серьёзность|серьезность|критичность|важность|уровень|приоритет|级别|级别状态|告警级别|严重程度|严重级别|等级|优先级
        |重要度|深刻度|重大度|심각도|önem""",
    "summary": """summary|title|subject|headline|message|zusammenfassung|meldung|nachricht|résumé|resumen|mensaje|resumo
        |mensagem|riepilogo|сводка|кратко|сообщение|摘要|概要|主题|标题|告警内容|メッセージ|요약|özet""",
    "description": """description|details text|reason text|info text|beschreibung|descripción|descrição|descrizione|описание
        |描述|说明|告警描述|详情描述|説明|設명|설명|açıklama""",
    "started": """started|started at|startsat|starts at|start|start time|fired at|firing since|since|triggered at
        |active since|activated at|time|timestamp|alert time|begin|began|opened|opened at|onset|beginn|seit|zeit|startzeit
        |début|depuis|heure|inicio|desde|hora|início|inizio|начало|время|с|开始时间|触发时间|告警时间|故障时间|发生时间|時間
        |時刻|発生時刻|発生日時|시작 시간|발생 시간|başlangıç""",
    "ended": """ended|ended at|endsat|ends at|end|resolved at|recovered at|closed at|end time|ende|fin|恢复时间|结束时间
        |復旧時刻|время окончания""",
    "expr": "expr|expression|query|promql|ausdruck|expresión|запрос|表达式|条件式",
    "labels": "labels|label|tags|etiquetas|étiquettes|метки|标签|ラベル",
    "annotations": "annotations|annotation|anmerkungen|аннотации|注释|注解",
    "details": "details|alert details|detail|alerts|context|detalles|détails|детали|подробности|详情|告警详情|詳細",
    "namespace": """namespace|k8s namespace|kubernetes namespace|kube namespace|ns|namensraum|espace de noms
        |espacio de nombres|przestrzeń nazw|ad alanı|spazio dei nomi|không gian tên|простір імен|命名空间|名前空間|네임스페이스
        |пространство имён|пространство имен|неймспейс""",
    "pod": "pod|pod name|podname|k8s pod|kubernetes pod|pod名称|pod名|容器组|под|имя пода|nombre del pod|nom du pod|ポッド|파드",
    "container": "container|container name|conteneur|contenedor|contêiner|контейнер|容器|容器名称|コンテナ|コンテナ名|컨테이너",
    "node": "node|node name|nodename|k8s node|knoten|nœud|nodo|nó|узел|нода|节点|节点名称|ノード|ノード名|노드",
    "cluster": """cluster|cluster name|clustername|k8s cluster|kubernetes cluster|clúster|кластер|集群|集群名称
        |クラスタ|クラスタ名|クラスター|클러스터""",
    "service": """service|service name|servicename|dienst|servicio|serviço|servizio|сервис|服务|服务名|服务名称|サービス|サービス名|서비스
        |usługa|servis|hizmet|tjänst|služba|layanan|dịch vụ|сервіс""",
    "deployment": "deployment|deployment name|部署|деплоймент|デプロイメント|디플로이먼트",
}  # fmt: skip
FIELDS: dict[str, str] = {
    " ".join(alias.split()): field for field, aliases in _FIELDS.items() for alias in aliases.split("|")
}
LINK_FIELDS = frozenset(
    [
        "runbook",
        "runbook_url",
        "runbook",
        "url",
        "graph",
        "dashboard",
        "dashboard_url",
        "panel",
        "silence",
        "source",
        "generatorurl",
        "generator",
        "url",
        "link",
        "links",
        "view",
        "relatedlogs",
        "relatedtraces",
        "related_logs",
        "related_traces",
        "prometheus",
        "alertmanager",
        "logs",
        "traces",
    ]
) | {"runbook url", "related logs", "related traces", "dashboard url"}
VALUE_FIELDS = frozenset(
    {"value", "current value", "values", "metric value", "threshold", "wert", "valeur", "valor", "значение", "当前值"}
)

_EDGE = re.compile(r"^[\W_]+|[\W_]+$")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


def fold(text: str) -> str:
    """``text`` as it is compared: compatibility forms unified, case folded, one space between words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def status_of(text: str) -> Status | None:
    """The status that ``text`` says, as one word or phrase (``FIRING:2``, ``Resolved``, ``已恢复``); ``None`` when it says none."""
    word = _EDGE.sub("", re.sub(r"[:\s(]*\d+\)?\s*$", "", fold(text)))
    if word in STATUSES:
        return STATUSES[word]
    first = _WORD.search(word)
    return STATUSES.get(first[0]) if first and len(word) <= 40 else None


def level_of(text: str) -> Level | None:
    """The level that a severity field says (``Critical (P1)``, ``🔴 high``, ``严重``); ``None`` for words nobody knows."""
    folded = fold(text)[:80]
    if folded in SEVERITIES:
        return SEVERITIES[folded]
    for match in _WORD.finditer(folded.replace("sev-", "sev").replace("sev ", "sev")):
        if match[0] in SEVERITIES:
            return SEVERITIES[match[0]]
    return None


def field_of(key: str) -> str:
    """The canonical field for a written key (``Alert Name`` -> ``name``), "" for keys that are labels of their own."""
    return FIELDS.get(fold(key).replace("_", " ").strip(), "")
