// Alarms and the dashboard: rings a topic, and shows on one page what the alarms look at.
import {Alarm, ComparisonOperator, Dashboard, GraphWidget} from 'aws-cdk-lib/aws-cloudwatch'
import {SnsAction} from 'aws-cdk-lib/aws-cloudwatch-actions'
import {type ITopic, Topic} from 'aws-cdk-lib/aws-sns'
import {EmailSubscription} from 'aws-cdk-lib/aws-sns-subscriptions'
import {Construct} from 'constructs'
import {alarmsOf, type Watched} from '../alarm-list.ts'

export interface AlarmTopicProps {
  readonly email?: string
}

export class AlarmTopic extends Construct {
  readonly topic: ITopic

  constructor(scope: Construct, id: string, {email}: AlarmTopicProps) {
    super(scope, id)
    this.topic = new Topic(this, 'Topic', {enforceSSL: true})
    if (email !== undefined) this.topic.addSubscription(new EmailSubscription(email))
  }
}

export interface WatchProps {
  readonly stage: string
  readonly watched: Watched
  readonly topic: ITopic
  readonly dashboard: boolean
}

const runbook = (name: string): string => `docs/runbook.md#${name}`
/** Widgets side by side; a page is 24 units wide. */
const widgetWidth = 8

export class Watch extends Construct {
  constructor(scope: Construct, id: string, {stage, watched, topic, dashboard}: WatchProps) {
    super(scope, id)
    const definitions = alarmsOf(watched)
    for (const {name, about, metric, threshold, when, periods, missing} of definitions) {
      const alarm = new Alarm(this, name, {
        alarmName: `gilliam-${stage}-${name}`,
        alarmDescription: `Gilliam ${stage}: ${about}. What to do: ${runbook(name)}`,
        metric,
        threshold,
        evaluationPeriods: periods,
        comparisonOperator:
          when === 'atLeast' ? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD : ComparisonOperator.LESS_THAN_THRESHOLD,
        treatMissingData: missing,
      })
      alarm.addAlarmAction(new SnsAction(topic))
      alarm.addOkAction(new SnsAction(topic))
    }
    if (!dashboard) return
    new Dashboard(this, 'Dashboard', {dashboardName: `gilliam-${stage}`}).addWidgets(
      ...definitions.map(({name, about, metric}) => new GraphWidget({title: `${name}: ${about}`, left: [metric], width: widgetWidth})),
    )
  }
}
